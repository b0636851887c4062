"""Where one pass's time, rounds and bytes go, layer by layer, at one party."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pi_bench.wire.channel import Channel, Traffic


@dataclass
class Stopwatch:
    """Reads the clock and the channels' counters at the end of each layer; starts when it is made. channels: by peer.

    Of a layer's time, `waiting` is what the channels spent waiting: for the network and for the other parties.
    """

    channels: Mapping[str, Channel]
    _marks: list[tuple[str, float, dict[str, Traffic]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mark("")

    def mark(self, layer: str) -> None:
        """The layer has just ended."""
        traffic = {peer: channel.snapshot() for peer, channel in self.channels.items()}
        self._marks.append((layer, time.perf_counter(), traffic))

    def record(self) -> dict[str, Any]:
        """By layer, in order: {"layers", "layers_ms", "waiting_ms", "rounds", "sent_bytes": {peer: bytes}}."""
        pairs = list(zip(self._marks, self._marks[1:], strict=False))
        between = [[after[2][peer] - before[2][peer] for peer in self.channels] for before, after in pairs]
        return {
            "layers": [after[0] for _, after in pairs],
            "layers_ms": [(after[1] - before[1]) * 1e3 for before, after in pairs],
            "waiting_ms": [sum(traffic.waited_s for traffic in layer) * 1e3 for layer in between],
            "rounds": [sum(traffic.rounds for traffic in layer) for layer in between],
            "sent_bytes": {peer: [layer[index].sent_bytes for layer in between] for index, peer in enumerate(self.channels)},
        }
