"""Where one inference's time, rounds and bytes go, layer by layer, at one party."""

import time
from dataclasses import dataclass, field
from typing import Any

from pi_bench.wire.channel import Channel


@dataclass
class Stopwatch:
    """Reads the clock and the channel's counters at the end of each layer; starts when it is made.

    Of a layer's time, `waiting` is what the channel spent waiting: for the network and for the other party.
    """

    channel: Channel
    _marks: list[tuple[str, float, float, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mark("")

    def mark(self, layer: str) -> None:
        """The layer has just ended."""
        traffic = self.channel.snapshot()
        self._marks.append((layer, time.perf_counter(), traffic.waited_s, traffic.rounds, traffic.sent_bytes))

    def record(self) -> dict[str, Any]:
        """By layer, in order: {"layers", "layers_ms", "waiting_ms", "rounds", "sent_bytes"}."""
        pairs = list(zip(self._marks, self._marks[1:], strict=False))
        return {
            "layers": [after[0] for _, after in pairs],
            "layers_ms": [(after[1] - before[1]) * 1e3 for before, after in pairs],
            "waiting_ms": [(after[2] - before[2]) * 1e3 for before, after in pairs],
            "rounds": [after[3] - before[3] for before, after in pairs],
            "sent_bytes": [after[4] - before[4] for before, after in pairs],
        }
