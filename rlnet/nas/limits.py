"""What a found network may cost: ReLUs, multiply-accumulates, parameters, predicted secure latency."""

import math
from dataclasses import dataclass

from masks import Shape
from rlnet.models.specifications.specification import Specification
from rlnet.nas.cost import Cost, cost
from rlnet.nas.latency import LatencyModel


@dataclass(frozen=True)
class Limits:
    """At most so many ReLUs, multiply-accumulates and parameters, and milliseconds by a latency model; None is no limit. The
    network is for images (C, H, W)."""

    image_shape: Shape
    num_classes: int
    relus: int | None = None
    macs: int | None = None
    parameters: int | None = None
    latency_ms: float | None = None
    latency_model: LatencyModel | None = None

    def cost(self, spec: Specification) -> Cost:
        """What a specification costs here."""
        return cost(spec, self.image_shape, self.num_classes)

    def excess(self, spec: Specification) -> dict[str, float]:
        """Of each limited quantity, how far a specification is above its limit, as a fraction of it; negative below."""
        found = self.quantities(self.cost(spec))
        return {name: found[name] / limit - 1 for name, limit in self.given.items()}

    def quantities(self, cost: Cost) -> dict[str, float]:
        """What a card says of a cost; the latency where there is a model of it."""
        counts = {name: getattr(cost, name) for name in ("relus", "comparisons", "macs", "parameters")}
        return counts if self.latency_model is None else counts | {"latency_ms": self.latency_model.predicted_ms(cost)}

    def allow(self, spec: Specification) -> bool:
        """Whether a specification keeps all limits."""
        return all(excess <= 0 for excess in self.excess(spec).values())

    @property
    def given(self) -> dict[str, float]:
        """The limits that there are."""
        limits = {name: getattr(self, name) for name in ("relus", "macs", "parameters", "latency_ms")}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def check(self, smallest: Specification) -> None:
        """Raises ValueError where not even the smallest network of a space keeps the limits, or has no latency."""
        for name, excess in self.excess(smallest).items():
            if excess > 0:
                least, limit = self.quantities(self.cost(smallest))[name], getattr(self, name)
                if name == "latency_ms":
                    raise ValueError(
                        f"a latency of {limit:,g} ms is too short: the smallest network of this space takes "
                        f"{math.ceil(least):,} ms {self.latency_model.where}, as predicted"
                    )
                raise ValueError(f"{limit:,} {name} are too few: the smallest network of this space has {least:,}")
