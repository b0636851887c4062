"""Networks from their configuration or specification: all-ReLU, with random weights and mode-wise batch norm."""

from collections.abc import Callable

import torch

from rlnet.models.bottleneck import BottleneckNet
from rlnet.models.cell import CellNet
from rlnet.models.config import NetworkConfig
from rlnet.models.elastic import STATIC, Layers
from rlnet.models.inverted_residual import InvertedResidualNet
from rlnet.models.network import ModeNetwork
from rlnet.models.resnet import BLOCKS, ResNet
from rlnet.models.specifications.specification import Specification
from rlnet.models.wide_resnet import WideResNet
from rlnet.models.words import BatchNormKind

_NAMED: dict[str, Callable[..., ModeNetwork]] = {
    "resnet18": lambda **options: ResNet(BLOCKS["resnet18"], **options),
    "resnet34": lambda **options: ResNet(BLOCKS["resnet34"], **options),
    "wrn22-8": lambda **options: WideResNet(3, **options),
}
_SPECIFIED: dict[str, Callable[..., ModeNetwork]] = {
    "inverted-residual": InvertedResidualNet,
    "bottleneck": BottleneckNet,
    "cell": CellNet,
}


def build(
    config: NetworkConfig, num_classes: int, mean: tuple[float, ...], std: tuple[float, ...], seed: int = 0
) -> ModeNetwork:
    """The network with random weights of `seed`. mean, std: per channel of [0, 1] pixels; len(mean) is C."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, std = tuple(mean), tuple(std)
        if config.spec is not None:
            return build_specification(config.specification, num_classes, mean, std, config.batch_norm)
        return _NAMED[config.name](
            width=config.width,
            num_classes=num_classes,
            mean=mean,
            std=std,
            kind=config.batch_norm,
            stem_stride=config.stem_stride,
        )


def build_specification(
    spec: Specification,
    num_classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    kind: BatchNormKind,
    layers: Layers = STATIC,
) -> ModeNetwork:
    """The all-ReLU network of a specification, with random weights. layers: what it is made of; `ELASTIC` makes a supernet."""
    return _SPECIFIED[spec.family](spec, num_classes, mean, std, kind, layers)
