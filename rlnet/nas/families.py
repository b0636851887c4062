"""The families of networks that can be searched, and their search spaces by name; a new one is an entry here."""

from collections.abc import Callable

from rlnet.nas.proard import MobileNetV3Space, ResNet50Space
from rlnet.nas.rnas_cl import SPACES, InvertedResidualSpace, rnas_cl_space
from rlnet.nas.robnet import RobNetSpace
from rlnet.nas.space import Space
from rlnet.nas.space_config import SpaceConfig, space_name

RESNET_STEM, ROBNET_CHANNELS = 64, 36


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


def make_space(family: str, config: SpaceConfig) -> Space:
    """The search space. Raises ValueError."""
    return FAMILIES[family][space_name(family, config)](config)
