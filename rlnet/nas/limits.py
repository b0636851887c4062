"""What a found network may cost."""

from dataclasses import dataclass

from masks import Shape, parse_budget
from rlnet.models.specification import Specification
from rlnet.nas.cost import Cost, cost


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


def parse_limit(text: str | int | None) -> int | None:
    """A limit as people write it, 100k or 1.5m; None is none. Raises ValueError."""
    return None if text is None else parse_budget(str(text), 10**15)
