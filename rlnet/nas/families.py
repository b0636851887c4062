"""The families of networks that can be searched, and their search spaces by name; a new one is an entry here."""

from collections.abc import Callable
from dataclasses import dataclass

from rlnet.nas.proard import MobileNetV3Space, ResNet50Space
from rlnet.nas.rnas_cl import SPACES, InvertedResidualSpace, rnas_cl_space
from rlnet.nas.robnet import RobNetSpace
from rlnet.nas.space import Space

RESNET_STEM, ROBNET_CHANNELS, DEFAULT_WIDTH = 64, 36, 0.25


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


def _resnet50(config: SpaceConfig) -> ResNet50Space:
    return ResNet50Space(max(1, round(RESNET_STEM * config.times)), config.stem_stride)


def _robnet(config: SpaceConfig, free: bool) -> RobNetSpace:
    channels = max(1, round(ROBNET_CHANNELS * config.times))
    return RobNetSpace(config.cells, channels, config.stem_stride, free=free)


def _rnas_cl(config: SpaceConfig, name: str) -> InvertedResidualSpace:
    if config.stem_stride != 2:
        raise ValueError("the spaces of rnas-cl have stem_stride 2; leave space.stem_stride out")
    return rnas_cl_space(name, times=config.times)


FAMILIES: dict[str, dict[str, Callable[[SpaceConfig], Space]]] = {
    "proard": {
        "resnet50": _resnet50,
        "mbv3": lambda config: MobileNetV3Space("relu", config.times, config.stem_stride),
        "mbv3-published": lambda config: MobileNetV3Space("published", config.times, config.stem_stride),
    },
    "robnet": {
        "cell-based": lambda config: _robnet(config, free=False),
        "cell-free": lambda config: _robnet(config, free=True),
    },
    "rnas-cl": {name: lambda config, name=name: _rnas_cl(config, name) for name in SPACES},
}


def space_name(family: str, config: SpaceConfig) -> str:
    """The name of the space, the family's first where none is given. Raises ValueError for an unknown family or space."""
    if family not in FAMILIES:
        raise ValueError(f"there is no family {family!r}; known: {', '.join(FAMILIES)}")
    name = next(iter(FAMILIES[family])) if config.name is None else config.name
    if name not in FAMILIES[family]:
        raise ValueError(f"{family} has no space {name!r}; known: {', '.join(FAMILIES[family])}")
    return name


def make_space(family: str, config: SpaceConfig) -> Space:
    """The search space. Raises ValueError."""
    return FAMILIES[family][space_name(family, config)](config)
