"""Networks by name: `build(NetworkConfig(...), ...)` gives an all-ReLU network with mode-wise batch norm."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from rlnet.models.batch_norm import BatchNormKind
from rlnet.models.batch_norm import frozen as frozen
from rlnet.models.network import MODES as MODES
from rlnet.models.network import ModeNetwork as ModeNetwork
from rlnet.models.resnet import BLOCKS, ResNet
from rlnet.models.switch import Switch as Switch
from rlnet.models.wide_resnet import WideResNet


@dataclass(frozen=True)
class NetworkConfig:
    """Which network.

    Args:
        name: its architecture.
        width: channels of its first stage; the published networks have 64 (ResNets) and 128 (WRN-22-8).
        batch_norm: which views have batch-norm paths of their own: none (single), the adversarial one (dual), all (triple).
        stem_stride: 1 keeps the image's resolution in the first stage, 2 halves it.
    """

    name: Literal["resnet18", "resnet34", "wrn22-8"] = "resnet18"
    width: int = 16
    batch_norm: BatchNormKind = "dual"
    stem_stride: Literal[1, 2] = 1

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"network.width is a number of channels, at least 1, not {self.width}")


_ARCHITECTURES: dict[str, Callable[..., ModeNetwork]] = {
    "resnet18": lambda **options: ResNet(BLOCKS["resnet18"], **options),
    "resnet34": lambda **options: ResNet(BLOCKS["resnet34"], **options),
    "wrn22-8": lambda **options: WideResNet(3, **options),
}


def build(
    config: NetworkConfig, num_classes: int, mean: tuple[float, ...], std: tuple[float, ...], seed: int = 0
) -> ModeNetwork:
    """The network with random weights of `seed`. mean, std: per channel of [0, 1] pixels; len(mean) is C."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _ARCHITECTURES[config.name](
            width=config.width,
            num_classes=num_classes,
            mean=tuple(mean),
            std=tuple(std),
            kind=config.batch_norm,
            stem_stride=config.stem_stride,
        )
