"""What private inference costs: from the messages that parties send to hops, bytes, and the latency on a network."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

Phase = Literal["setup", "offline", "online"]


@dataclass(frozen=True)
class Message:
    """One frame between two of "server", "client" and "dealer"; `bytes` with its header.

    phase: "setup" is once for a model; "offline" for every inference, before its input is known; "online" from then on.
    crosses: it leaves at the same time as the message before it, which goes the other way.
    """

    phase: Phase
    sender: str
    receiver: str
    bytes: int
    crosses: bool = False


@dataclass(frozen=True)
class Cost:
    """What one layer of one inference sends; costs add up over layers.

    rounds: one-way hops online that wait for each other; one is half a round trip. server_bytes, client_bytes: online, sent by
    that party. serial_bytes: online, those that follow each other on the line: of two messages that cross the larger one.
    A_to_B_bytes: offline, for every inference. setup_bytes: once for a model, all that is sent.
    """

    rounds: int = 0
    server_bytes: int = 0
    client_bytes: int = 0
    serial_bytes: int = 0
    dealer_to_server_bytes: int = 0
    dealer_to_client_bytes: int = 0
    client_to_server_bytes: int = 0
    server_to_client_bytes: int = 0
    setup_bytes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Cost)))

    @property
    def offline(self) -> dict[str, int]:
        """Bytes for every inference before its input, by direction."""
        return {way: getattr(self, f"{way}_bytes") for way in OFFLINE_WAYS}

    @property
    def offline_bytes(self) -> int:
        """What the party that gets more receives offline, from the dealer and from the other party."""
        return most_received(self.offline)


OFFLINE_WAYS = ("dealer_to_server", "dealer_to_client", "client_to_server", "server_to_client")
ZERO = Cost()


def most_received(offline: Mapping[str, int]) -> int:
    """Bytes that the party which gets more receives; `offline` is by direction, as in `OFFLINE_WAYS`."""
    return max(received(offline, party) for party in ("server", "client"))


def received(offline: Mapping[str, int], party: str) -> int:
    """Bytes that a party receives offline, from all others."""
    return sum(count for way, count in offline.items() if way.endswith(f"_to_{party}"))


def costs(messages: Mapping[str, Iterable[Message]]) -> dict[str, Cost]:
    """The cost of each layer from what all layers of an inference send, in order.

    A message has the depth 1 + that of the deepest message that its sender has received (Lamport 1978, with messages as the
    only events); the depth of the whole is the number of one-way hops that have to follow each other. A layer's rounds are by
    how much it makes that deeper.
    """
    found, depth = {}, _Depth()
    for layer, sent in messages.items():
        before, cost = depth.deepest, ZERO
        previous: Message | None = None
        for message in sent:
            cost += _bytes(message, previous)
            if message.phase == "online":
                depth.send(message)
                previous = message
        found[layer] = cost + Cost(rounds=depth.deepest - before)
    return found


def _bytes(message: Message, previous: Message | None) -> Cost:
    if message.phase == "setup":
        return Cost(setup_bytes=message.bytes)
    if message.phase == "offline":
        return Cost(**{f"{message.sender}_to_{message.receiver}_bytes": message.bytes})
    serial = max(0, message.bytes - previous.bytes) if message.crosses else message.bytes
    return Cost(**{f"{message.sender}_bytes": message.bytes}, serial_bytes=serial)


class _Depth:
    """The depth of the deepest message so far, and of the deepest one that each party has received."""

    def __init__(self) -> None:
        self.deepest = 0
        self._received = {"server": 0, "client": 0}
        self._before = dict(self._received)

    def send(self, message: Message) -> None:
        known = self._before if message.crosses else self._received  # what crosses was sent before the other arrived
        depth = 1 + known[message.sender]
        self._before = dict(self._received)
        self._received[message.receiver] = max(depth, self._received[message.receiver])
        self.deepest = max(depth, self.deepest)


class Network(Protocol):
    """What a prediction asks of a network; None: nothing is added (loopback)."""

    @property
    def rtt_ms(self) -> float | None:
        """Time to the other party and back, in milliseconds."""

    @property
    def mbit_per_s(self) -> float | None:
        """Bandwidth of each direction, in 10^6 bits a second."""


@dataclass(frozen=True)
class Prediction:
    """An online latency in milliseconds, and the three parts it is the sum of."""

    compute_ms: float
    rounds_ms: float
    bytes_ms: float

    @property
    def total_ms(self) -> float:
        """The whole online latency."""
        return self.compute_ms + self.rounds_ms + self.bytes_ms


def predicted_ms(costs: Iterable[Cost], network: Network, compute_ms: float) -> Prediction:
    """compute + rounds * RTT / 2 + the bytes that follow each other / bandwidth.

    costs: one per layer. compute_ms: local work of the slower party. What is sent while parties compute takes less.
    """
    total = sum(costs, ZERO)
    return Prediction(compute_ms, total.rounds * (network.rtt_ms or 0.0) / 2, sending_ms(network, total.serial_bytes))


def sending_ms(network: Network, count: float) -> float:
    """Milliseconds that `count` bytes take in one direction; 0 where the bandwidth has no limit."""
    if network.mbit_per_s is None:
        return 0.0
    return count * 8 / (network.mbit_per_s * 1000)


@dataclass(frozen=True)
class Breakdown:
    """A measured latency by what costs it, in milliseconds; the parts sum to it. linear_ms: all layers but ReLUs."""

    relu_rounds_ms: float
    relu_bytes_ms: float
    relu_compute_ms: float
    linear_ms: float


def breakdown(layers: Sequence[Mapping[str, Any]], network: Network) -> Breakdown:
    """Splits the latency of a card's `layers` (relu_total, ms, compute_ms, rounds, serial_bytes) on its network.

    Rounds and bytes take what the formula says; the rest is computing, of ReLUs and other layers in proportion to what the
    party computed in them. A layer's own time would not do: a frame that only one party sends is waited for in the other's
    next layer. Where computing was not measured that time has to do. A network faster than its formula scales rounds and bytes
    down.
    """
    relus = [layer for layer in layers if layer["relu_total"]]
    others = [layer for layer in layers if not layer["relu_total"]]
    relu, other = _waiting(relus, network), _waiting(others, network)
    total_ms, waiting_ms = sum(layer["ms"] for layer in layers), relu.total_ms + other.total_ms
    scale = min(1.0, total_ms / waiting_ms) if waiting_ms else 1.0
    if any(layer["compute_ms"] is None for layer in layers):
        weights = [max(0.0, sum(layer["ms"] for layer in part) - w.total_ms) for part, w in ((relus, relu), (others, other))]
    else:
        weights = [sum(layer["compute_ms"] for layer in part) for part in (relus, others)]
    relu_share = weights[0] / sum(weights) if sum(weights) else 0.0
    relu_compute_ms = relu_share * (total_ms - scale * waiting_ms)
    relu_ms = scale * relu.total_ms + relu_compute_ms
    return Breakdown(scale * relu.rounds_ms, scale * relu.bytes_ms, relu_compute_ms, total_ms - relu_ms)


def _waiting(layers: Sequence[Mapping[str, Any]], network: Network) -> Prediction:
    """What the formula says that rounds and bytes of these layers take."""
    costs = [Cost(layer["rounds"], serial_bytes=layer["serial_bytes"]) for layer in layers]
    return predicted_ms(costs, network, 0.0)
