"""Which network: the configuration that names one or holds its specification; needs no torch."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from rlnet.models.specifications.reading import parse, read
from rlnet.models.specifications.specification import Specification
from rlnet.models.specifications.zoo import ZOO
from rlnet.models.words import BatchNormKind

NAMES = ("resnet18", "resnet34", "wrn22-8")
"""The networks that a name and a width decide; all others have a specification."""
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
        if self.spec is not None or self.name not in NAMES:
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
            known = [*NAMES, *ZOO]
            close = get_close_matches(self.name, known, 1)
            hint = f", did you mean {close[0]}?" if close else ""
            raise ValueError(
                f"there is no network {self.name!r}{hint}; known: {', '.join(known)}, and a spec.json of rlnet.nas"
            )
        return read(Path(self.name))
