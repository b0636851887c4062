"""Networks by name or specification: `build(NetworkConfig(...), ...)` gives an all-ReLU network with mode-wise batch norm."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import torch

from rlnet.models.batch_norm import BatchNormKind
from rlnet.models.batch_norm import frozen as frozen
from rlnet.models.network import MODES as MODES
from rlnet.models.network import ModeNetwork as ModeNetwork
from rlnet.models.resnet import BLOCKS, ResNet
from rlnet.models.specification import Specification
from rlnet.models.specifications import parse, read
from rlnet.models.switch import Switch as Switch
from rlnet.models.wide_resnet import WideResNet
from rlnet.models.zoo import ZOO

_ARCHITECTURES: dict[str, Callable[..., ModeNetwork]] = {
    "resnet18": lambda **options: ResNet(BLOCKS["resnet18"], **options),
    "resnet34": lambda **options: ResNet(BLOCKS["resnet34"], **options),
    "wrn22-8": lambda **options: WideResNet(3, **options),
}
DEFAULT_WIDTH = 16


@dataclass(frozen=True)
class NetworkConfig:
    """Which network. `--network NAME` is short for `--network.name NAME`.

    Args:
        name: resnet18, resnet34, wrn22-8; a published searched network, such as rnas-cl-s3 or robnet-large; or the spec.json
            of a search.
        width: channels of the first stage of a ResNet, by default 16; the published ones have 64 (ResNets) and 128 (WRN-22-8).
        batch_norm: which views have batch-norm paths of their own: none (single), the adversarial one (dual), all (triple).
        stem_stride: of a ResNet: 1 keeps the image's resolution in the first stage, 2 halves it.
        spec: a searched network's specification, as its spec.json has it; read from there, or found by the name.
    """

    name: str = "resnet18"
    width: int | None = None
    batch_norm: BatchNormKind = "dual"
    stem_stride: Literal[1, 2] | None = None
    spec: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.spec is not None or self.name not in _ARCHITECTURES:
            self._resolve()
            return
        width = DEFAULT_WIDTH if self.width is None else self.width
        object.__setattr__(self, "width", width)
        object.__setattr__(self, "stem_stride", 1 if self.stem_stride is None else self.stem_stride)
        if width < 1:
            raise ValueError(f"network.width is a number of channels, at least 1, not {width}")

    def _resolve(self) -> None:
        """Finds the specification that the name stands for, and checks it.

        A command line starts from the fields of the default network, so a ResNet's default says nothing here.
        """
        spec = self.specification
        for name, default in (("width", DEFAULT_WIDTH), ("stem_stride", 1)):
            if getattr(self, name) not in (None, default):
                raise ValueError(
                    f"network.{name} is of resnet18, resnet34 and wrn22-8; the specification of {self.name} says what it has"
                )
            object.__setattr__(self, name, None)
        if self.spec is None and self.name not in ZOO:
            object.__setattr__(self, "name", spec.family)
        object.__setattr__(self, "spec", spec.plain())

    @property
    def specification(self) -> Specification:
        """The specification of a searched network. Raises ValueError for an unknown name, a damaged or impossible file."""
        if self.spec is not None:
            return parse(self.spec)
        if self.name in ZOO:
            return ZOO[self.name]()
        if not self.name.endswith(".json"):
            known = [*_ARCHITECTURES, *ZOO]
            close = get_close_matches(self.name, known, 1)
            hint = f", did you mean {close[0]}?" if close else ""
            raise ValueError(
                f"there is no network {self.name!r}{hint}; known: {', '.join(known)}, and a spec.json of rlnet.nas"
            )
        return read(Path(self.name))


def build(
    config: NetworkConfig, num_classes: int, mean: tuple[float, ...], std: tuple[float, ...], seed: int = 0
) -> ModeNetwork:
    """The network with random weights of `seed`. mean, std: per channel of [0, 1] pixels; len(mean) is C."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, std = tuple(mean), tuple(std)
        if config.spec is not None:
            return config.specification.build(num_classes, mean, std, config.batch_norm)
        return _ARCHITECTURES[config.name](
            width=config.width,
            num_classes=num_classes,
            mean=mean,
            std=std,
            kind=config.batch_norm,
            stem_stride=config.stem_stride,
        )
