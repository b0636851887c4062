"""What a found network may cost."""

import re
from dataclasses import dataclass
from fractions import Fraction

from masks import Shape
from rlnet.models.specification import Specification
from rlnet.nas.cost import Cost, cost

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


@dataclass(frozen=True)
class Limits:
    """At most so many ReLUs, multiply-accumulates and parameters; None is no limit. The network is for images (C, H, W)."""

    image_shape: Shape
    num_classes: int
    relus: int | None = None
    macs: int | None = None
    parameters: int | None = None

    def cost(self, spec: Specification) -> Cost:
        """What a specification costs here."""
        return cost(spec, self.image_shape, self.num_classes)

    def excess(self, spec: Specification) -> dict[str, float]:
        """Of each limited quantity, how far a specification is above its limit, as a fraction of it; negative below."""
        found = self.cost(spec)
        return {name: getattr(found, name) / limit - 1 for name, limit in self.given.items()}

    def allow(self, spec: Specification) -> bool:
        """Whether a specification keeps all limits."""
        return all(excess <= 0 for excess in self.excess(spec).values())

    @property
    def given(self) -> dict[str, int]:
        """The limits that there are."""
        limits = {name: getattr(self, name) for name in ("relus", "macs", "parameters")}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def check(self, smallest: Specification) -> None:
        """Raises ValueError where not even the smallest network of a space keeps the limits."""
        for name, excess in self.excess(smallest).items():
            if excess > 0:
                least = getattr(self.cost(smallest), name)
                raise ValueError(
                    f"{getattr(self, name):,} {name} are too few: the smallest network of this space has {least:,}"
                )


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
