"""Which search space: families and their spaces by name, scaled down or not."""

from dataclasses import dataclass

DEFAULT_WIDTH = 0.25
SPACES = {
    "proard": ("resnet50", "mbv3", "mbv3-published"),
    "robnet": ("cell-based", "cell-free"),
    "rnas-cl": ("s3", "s5", "s7", "m", "l", "is", "im", "i", "il"),
}
"""The spaces of each family, its own choice first; `rlnet.nas.families` makes them."""


@dataclass(frozen=True)
class SpaceConfig:
    """A search space of the family, scaled down or not. The defaults suit 32x32 images and minutes; in brackets, the papers'.

    Args:
        name: of proard, resnet50, mbv3 (ReLUs only) or mbv3-published; of robnet, cell-based or cell-free; of rnas-cl, s3, s5,
            s7, m, l, is, im, i or il. None is the first of them.
        width: times all channels, 0.25 by default (1); of rnas-cl, a multiple of 0.25.
        stem_stride: 2 halves the map in the first convolution, which leaves a quarter of the ReLUs (1). rnas-cl has 2.
        cells: of a RobNet (20).
    """

    name: str | None = None
    width: float | None = None
    stem_stride: int = 2
    cells: int = 6

    @property
    def times(self) -> float:
        """The width, or its default."""
        return DEFAULT_WIDTH if self.width is None else self.width

    def __post_init__(self) -> None:
        if not 0 < self.times < float("inf"):
            raise ValueError(f"space.width is {self.width}; it is a factor above 0, for instance 0.25")
        if self.stem_stride not in (1, 2):
            raise ValueError(f"space.stem_stride is {self.stem_stride}; it is 1 or 2")


def space_name(family: str, config: SpaceConfig) -> str:
    """The name of the space, the family's first where none is given. Raises ValueError for an unknown family or space."""
    if family not in SPACES:
        raise ValueError(f"there is no family {family!r}; known: {', '.join(SPACES)}")
    name = SPACES[family][0] if config.name is None else config.name
    if name not in SPACES[family]:
        raise ValueError(f"{family} has no space {name!r}; known: {', '.join(SPACES[family])}")
    return name
