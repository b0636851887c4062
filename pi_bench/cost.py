"""What a part of private inference costs in rounds and bytes, and the latency that follows from it on a network."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol


@dataclass(frozen=True)
class Cost:
    """What one layer of one inference sends; costs add up over layers.

    rounds: online, between server and client. server_bytes, client_bytes: online, sent by that party.
    dealt_bytes: offline, per inference, from the dealer to the server (the client gets only a seed).
    opened_bytes: once per model, from the server to the client.
    """

    rounds: int = 0
    server_bytes: int = 0
    client_bytes: int = 0
    dealt_bytes: int = 0
    opened_bytes: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Cost)))


ZERO = Cost()


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
    """compute + rounds * RTT / 2 + the longer direction's bytes of every layer / bandwidth.

    costs: one per layer (both directions are sent at once, so a layer waits for the one with more bytes). A round is an
    exchange of both parties at the same time and costs one one-way delay. compute_ms: local work of the slower party.
    """
    costs = list(costs)
    rounds_ms = sum(cost.rounds for cost in costs) * (network.rtt_ms or 0.0) / 2
    longer_bytes = sum(max(cost.server_bytes, cost.client_bytes) for cost in costs)
    return Prediction(compute_ms, rounds_ms, sending_ms(network, longer_bytes))


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
    """Splits the latency of a card's `layers` (relu_total, ms, compute_ms, rounds, bytes of server and client) on its network.

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
    costs = [Cost(layer["rounds"], layer["bytes"]["server"], layer["bytes"]["client"]) for layer in layers]
    return predicted_ms(costs, network, 0.0)
