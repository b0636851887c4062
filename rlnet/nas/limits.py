"""What a found network may cost: ReLUs, multiply-accumulates, parameters, predicted secure latency."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from masks import Shape
from rlnet.models.specification import Specification
from rlnet.nas.cost import Cost, cost
from rlnet.nas.latency import LatencyModel

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


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


def parse_latency(text: str | None) -> float | None:
    """A latency as people write it, 2.5s or 800ms, in milliseconds; None is none. Raises ValueError."""
    if text is None:
        return None
    written = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s)\s*", str(text), re.ASCII)
    milliseconds = float(written[1]) * {"ms": 1, "s": 1000}[written[2]] if written else 0.0
    if not 0 < milliseconds < float("inf"):
        raise ValueError(f"{str(text)!r} is no latency; write 2.5s or 800ms")
    return milliseconds


def parse_limit(text: str | int | None, of: str = "relus") -> int | None:
    """A limit as people write it, 100k, 1.5m or 2g; None is none. of: what it limits. Raises ValueError."""
    if text is None:
        return None
    written = re.fullmatch(r"\s*(\d+(?:_\d+)*(?:\.\d+)?)\s*([kmg]?)\s*", str(text), re.IGNORECASE)
    limit = Fraction(written[1].replace("_", "")) * UNITS[written[2].lower()] if written else Fraction(0)
    if limit < 1 or limit.denominator != 1:
        raise ValueError(
            f"{str(text)!r} is no limit of {of}; write a whole number of at least 1, such as 50000, 100k, 1.5m or 2g"
        )
    return int(limit)
