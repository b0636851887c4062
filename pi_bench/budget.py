"""The largest ReLU budget whose predicted latency, and offline bytes, meet their limits.

A ReLU layer that keeps k > 0 ReLUs takes its protocol's rounds, whatever k is, and bytes and computing that grow with k. So

    latency(budget) = computing + rounds x RTT / 2 + bytes / bandwidth

grows with the budget as long as the same layers keep any, and so do offline bytes, but that a layer kept whole may take less
than one kept almost whole; the largest budget is found by bisection, and the model's own is tried too.
Where even one ReLU per layer takes too long, layers have to be emptied.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from pi_bench.cost import ZERO, Cost, Network, Prediction, predicted_ms
from pi_bench.model.operations import Architecture, ReLU
from pi_bench.results.statistics import line

Costs = Callable[[Architecture], Mapping[str, Cost]]
MORE = 4  # options with still fewer layers


@dataclass(frozen=True)
class Timing:
    """Local computing in ms: `linear_ms` of all but ReLUs; layer_ms + relu_ms * k of a ReLU layer that keeps k > 0."""

    linear_ms: float
    layer_ms: float
    relu_ms: float

    @classmethod
    def of(cls, layers: Sequence[Mapping[str, Any]]) -> "Timing":
        """From a card's layers, each with compute_ms, relu_kept and relu_total. Raises ValueError where none keeps a ReLU."""
        linear_ms = sum(layer["compute_ms"] for layer in layers if not layer["relu_total"])
        relus = [(layer["relu_kept"], layer["compute_ms"]) for layer in layers if layer["relu_kept"]]
        if not relus:
            raise ValueError("a network that keeps no ReLU does not show what one costs; give --card of another budget of it")
        kept, ms = (np.array(column, float) for column in zip(*relus, strict=True))
        through_zero = cls(linear_ms, 0.0, float(kept @ ms / (kept @ kept)))
        if np.ptp(kept) == 0:
            return through_zero
        fit = line(kept, ms)
        if fit.slope < 0:
            return cls(linear_ms, float(ms.mean()), 0.0)
        return cls(linear_ms, fit.intercept, fit.slope) if fit.intercept >= 0 else through_zero

    def compute_ms(self, kept: Iterable[int]) -> float:
        """Of an inference whose layers keep so many ReLUs."""
        return self.linear_ms + sum(self.layer_ms + self.relu_ms * k for k in kept if k)


@dataclass(frozen=True)
class Limits:
    """What is to be met. offline_bytes: what the party that gets more may receive for an inference; None for any."""

    latency_ms: float
    offline_bytes: float | None = None

    def met_by(self, option: "Option") -> bool:
        within = self.offline_bytes is None or option.offline_bytes <= self.offline_bytes
        return within and option.prediction.total_ms <= self.latency_ms


@dataclass(frozen=True)
class Option:
    """A budget: how many ReLUs each layer keeps, and what that takes."""

    kept: Mapping[str, int]
    rounds: int
    prediction: Prediction
    online_bytes: int = 0
    offline_bytes: int = 0

    @property
    def budget(self) -> int:
        return sum(self.kept.values())

    @property
    def layers(self) -> int:
        """How many layers keep any."""
        return sum(k > 0 for k in self.kept.values())


@dataclass(frozen=True)
class Answer:
    """What meets the target.

    outcome: "all": every ReLU does. "budget": `best` is the largest budget with a ReLU in every layer of `order`.
    "fewer-layers": only some of them may keep any; `best` is the largest budget with the most layers, `others` have still
    fewer. "none": even zero ReLUs do not.
    order: the layers that keep any in the model (all, if none does), the one that is emptied first at the end.
    `least` has one ReLU in each of them, `zero` none at all.
    """

    outcome: Literal["all", "budget", "fewer-layers", "none"]
    best: Option | None
    order: tuple[str, ...]
    least: Option
    zero: Option
    others: tuple[Option, ...] = ()


def search(architecture: Architecture, timing: Timing, limits: Limits, network: Network, costs: Costs) -> Answer:
    """The answer for a network whose `architecture` says how its ReLUs are spread.

    Raises ValueError for a network without ReLUs and for a protocol to which the budget is all the same.
    """
    sites = {relu.name: relu for relu in architecture.relus}
    if not sites:
        raise ValueError("the network has no ReLU, so there is no budget to choose")
    kept = {name: relu.kept for name, relu in sites.items()}
    sizes = {name: relu.size for name, relu in sites.items()}
    spread = kept if any(kept.values()) else sizes
    order = tuple(sorted((name for name in spread if spread[name]), key=lambda name: (-spread[name], -sizes[name])))

    def option(chosen: Mapping[str, int]) -> Option:
        return _option(architecture, {name: chosen.get(name, 0) for name in sites}, timing, network, costs)

    def largest(names: Sequence[str]) -> Option | None:
        """The largest budget that leaves each of these layers a ReLU, and the others none; None where none meets the target."""
        inner = {name: spread[name] for name in names}
        cap = sum(sizes[name] for name in names)

        def meets(budget: int) -> bool:
            return limits.met_by(option(share(budget, inner, sizes)))

        low = _largest(len(names), cap, meets)
        spread_whole = sum(inner.values())
        if (low is None or low < spread_whole) and meets(spread_whole):
            low = spread_whole
        return None if low is None else option(share(low, inner, sizes))

    if costs(with_kept(architecture, sizes)) == costs(with_kept(architecture, dict.fromkeys(sizes, 0))):
        raise ValueError("under this protocol a ReLU costs the same whether it is kept or not; plan with another one")
    everything, least, zero = option(sizes), option(dict.fromkeys(order, 1)), option({})
    if limits.met_by(everything):
        return Answer("all", everything, order, least, zero)
    if (best := largest(order)) is not None:
        return Answer("budget", best, order, least, zero)
    if not limits.met_by(zero):
        return Answer("none", None, order, least, zero)
    found = []
    for layers in range(len(order) - 1, -1, -1):
        if len(found) <= MORE and (best := largest(order[:layers])) is not None:
            found.append(best)
    return Answer("fewer-layers", found[0], order, least, zero, tuple(found[1:]))


def share(budget: int, spread: Mapping[str, int], sizes: Mapping[str, int]) -> dict[str, int]:
    """`budget` ReLUs over the layers of `spread`, at least one each, as that is spread: shrunk, or grown towards `sizes`.

    spread: at least 1 each. budget: from the number of layers to the sum of their sizes. Exact, by largest remainders.
    """
    whole = sum(spread.values())
    if budget <= whole:
        base, room = dict.fromkeys(spread, 1), {name: k - 1 for name, k in spread.items()}
    else:
        base, room = dict(spread), {name: sizes[name] - k for name, k in spread.items()}
    rest, total = budget - sum(base.values()), sum(room.values())
    if rest:
        quotas = {name: divmod(rest * space, total) for name, space in room.items()}
        base = {name: k + quotas[name][0] for name, k in base.items()}
        for name in sorted(quotas, key=lambda name: -quotas[name][1])[: budget - sum(base.values())]:
            base[name] += 1
    assert sum(base.values()) == budget
    return base


def with_kept(architecture: Architecture, kept: Mapping[str, int]) -> Architecture:
    """The architecture with another number of ReLUs kept in each layer; which ones makes no difference to costs."""
    operations = [
        replace(operation, packed=_first(kept[operation.name], operation.size)) if isinstance(operation, ReLU) else operation
        for operation in architecture.operations
    ]
    return replace(architecture, operations=tuple(operations))


def _option(architecture: Architecture, kept: Mapping[str, int], timing: Timing, network: Network, costs: Costs) -> Option:
    found = list(costs(with_kept(architecture, kept)).values())
    prediction = predicted_ms(found, network, timing.compute_ms(kept.values()))
    total = sum(found, ZERO)
    return Option(kept, total.rounds, prediction, max(total.server_bytes, total.client_bytes), total.offline_bytes)


def _largest(low: int, high: int, meets: Callable[[int], bool]) -> int | None:
    """The largest n in low..high that meets; None where not even `low` does. What meets has to meet with fewer too."""
    if not meets(low):
        return None
    if meets(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if meets(middle) else (low, middle)
    return low


def _first(count: int, size: int) -> bytes:
    """The packed mask (see operations.ReLU) of `size` elements that keeps the first `count`."""
    mask = np.zeros(size, bool)
    mask[:count] = True
    return np.packbits(mask).tobytes()
