"""The networks a secure run can be timed on, and how one is emulated between processes of one host.

    choose("wan")                              a profile
    choose(rtt_ms=10, mbit_per_s=1000)         a custom network
    choose("real")                             two real hosts (or network namespaces): nothing is emulated

A link is emulated as serialisation and delay, each direction on its own. A frame of n bytes that is sent at time t arrives at

    start = max(t, link_free)
    link_free = start + n * 8 / bandwidth
    arrival = link_free + RTT / 2

The sender writes the arrival time into the frame's header and the receiver, which has the frame earlier, waits until then. The
time is that of CLOCK_MONOTONIC, which the processes of one host share and those of two do not: `pi_bench.wire.rendezvous`
refuses to emulate between hosts. Not emulated: TCP's slow start, loss, jitter, the headers of TCP and IP and the
acknowledgements of the other direction (6% together), and the sender's wait for a full buffer. A frame that takes longer in
reality is not made faster.
"""

import math
from dataclasses import dataclass

_LONGEST_RTT_MS = 60_000
_LEAST_MBIT_PER_S = 0.001


@dataclass(frozen=True)
class Network:
    """A network between two parties: the time to the other and back, and each direction's bandwidth (10^6 bits a second).

    None: nothing is added there. `emulated` says whether frames are held back to meet these values.
    """

    name: str
    rtt_ms: float | None
    mbit_per_s: float | None
    emulated: bool


LOOPBACK = Network("loopback", None, None, False)
REAL = Network("real", None, None, False)

PROFILES = {
    network.name: network
    for network in (
        LOOPBACK,
        Network("lan", 0.3, 3000.0, True),
        Network("wan", 40.0, 400.0, True),
        Network("lan-1g", 1.0, 1000.0, True),
        Network("wan-100m", 80.0, 100.0, True),
        REAL,
    )
}


def choose(name: str = "loopback", rtt_ms: float | None = None, mbit_per_s: float | None = None) -> Network:
    """The named profile; own values make a custom network, which has the profile's value where only one is given.

    Raises ValueError for an unknown name, a value that is no time or no bandwidth, and own values for a real network.
    """
    if name not in PROFILES:
        raise ValueError(f"there is no network {name!r}; choose {', '.join(PROFILES)}, or give --rtt-ms and --mbit-per-s")
    profile = PROFILES[name]
    if rtt_ms is None and mbit_per_s is None:
        return profile
    if profile == REAL:
        raise ValueError("a real network is measured as it is; leave out --rtt-ms and --mbit-per-s, or emulate one on one host")
    if rtt_ms is not None and not 0 <= rtt_ms <= _LONGEST_RTT_MS:
        raise ValueError(f"a round-trip time of {rtt_ms} ms cannot be emulated; choose --rtt-ms from 0 to {_LONGEST_RTT_MS}")
    if mbit_per_s is not None and not _LEAST_MBIT_PER_S <= mbit_per_s < math.inf:
        raise ValueError(f"a bandwidth of {mbit_per_s} Mbit/s cannot be emulated; choose {_LEAST_MBIT_PER_S} or more")
    rtt_ms = profile.rtt_ms if rtt_ms is None else float(rtt_ms)
    mbit_per_s = profile.mbit_per_s if mbit_per_s is None else float(mbit_per_s)
    return Network("custom", rtt_ms, mbit_per_s, True)


class Link:
    """One direction of an emulated network: when do frames arrive that are sent one after the other?"""

    def __init__(self, network: Network):
        self._delay_ns = round((network.rtt_ms or 0.0) * 1e6 / 2)
        self._ns_per_byte = 0.0 if network.mbit_per_s is None else 8000 / network.mbit_per_s
        self._free_ns = 0

    def arrival_ns(self, count: int, now_ns: int) -> int:
        """When a frame of `count` bytes arrives that is handed over now; the link is busy until its last byte has left."""
        self._free_ns = max(now_ns, self._free_ns) + round(count * self._ns_per_byte)
        return self._free_ns + self._delay_ns
