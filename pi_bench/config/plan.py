"""What a plan can be told: a latency as people write it, a network, a protocol."""

import re
from dataclasses import dataclass
from pathlib import Path

from pi_bench.protocols.settings import PROTOCOL_NAMES, Settings
from pi_bench.wire.network import REAL, Network, choose

UNITS_MS = {"ms": 1.0, "s": 1000.0, "min": 60_000.0, "": 1000.0}


@dataclass(frozen=True)
class PlanConfig:
    """Says which ReLU budget meets a latency target on a network.

    Args:
        latency: online latency of one inference: 2s, 450ms, or seconds without a unit.
        offline_mb: megabytes that a party may receive for an inference before its input is known; any without.
        network: loopback, lan, wan, lan-1g or wan-100m.
        protocol: the secure protocol.
        mode: which mode of a file that holds several; its first one without.
        card: a card of the same network at any budget, whose computing times are used; measured here without.
        rtt_ms: an own network: time to the other party and back.
        mbit_per_s: an own network: bandwidth of each direction.
        json: print JSON.
    """

    latency: str
    offline_mb: float | None = None
    network: str = "wan"
    protocol: str = Settings.protocol
    mode: str | None = None
    card: Path | None = None
    rtt_ms: float | None = None
    mbit_per_s: float | None = None
    json: bool = False

    def __post_init__(self) -> None:
        parse_latency(self.latency)
        if self.offline_mb is not None and not 0 < self.offline_mb < float("inf"):
            raise ValueError(f"offline_mb is {self.offline_mb}: a limit in megabytes, above 0")
        if self.protocol not in PROTOCOL_NAMES:
            raise ValueError(f"there is no protocol {self.protocol!r}; choose one of {', '.join(PROTOCOL_NAMES)}")
        if self.chosen_network == REAL:
            raise ValueError("nobody knows the delay of a real network; give --rtt-ms and --mbit-per-s as you measured them")

    @property
    def chosen_network(self) -> Network:
        return choose(self.network, self.rtt_ms, self.mbit_per_s)


def parse_latency(text: str) -> float:
    """Milliseconds of "2s", "450ms" or "1.5" (seconds). Raises ValueError for anything else, and for zero."""
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s|min|)\s*", text, re.ASCII)
    if found is None or not 0 < (ms := float(found[1]) * UNITS_MS[found[2]]) < float("inf"):
        raise ValueError(f"{text!r} is no latency; write 2s, 450ms or, in seconds, 1.5")
    return ms
