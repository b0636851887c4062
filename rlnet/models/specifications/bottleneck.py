"""Specifications of ResNets of bottlenecks whose every width is free: ResNet-50 for small images, and ProARD's around it."""

from dataclasses import dataclass

from rlnet.models.specifications.specification import Specification, frozen_value, is_count


@dataclass(frozen=True)
class BottleneckStage:
    """mids: channels inside each block. out: of all blocks' outputs. stride: of the first block, 1 or 2."""

    mids: tuple[int, ...]
    out: int
    stride: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "mids", frozen_value(self.mids))
        counts = isinstance(self.mids, tuple) and self.mids and all(map(is_count, (*self.mids, self.out, self.stride)))
        if not counts or self.stride > 2:
            raise ValueError(f"there is no stage of bottlenecks like {self}")


@dataclass(frozen=True)
class BottleneckSpec(Specification):
    """stem: channels of one or two 3x3 convolutions at the start, the first of stride `stem_stride`. stem_residual: whether a
    third one, with a residual, stands between the two."""

    stages: tuple[BottleneckStage, ...]
    stem: tuple[int, ...] = (64,)
    stem_residual: bool = False
    stem_stride: int = 1

    family = "bottleneck"

    def __post_init__(self) -> None:
        stages = tuple(stage if isinstance(stage, BottleneckStage) else BottleneckStage(**stage) for stage in self.stages)
        object.__setattr__(self, "stages", stages)
        if not stages:
            raise ValueError("a network of bottlenecks has 1 or more stages")
        if not isinstance(self.stem, tuple) or len(self.stem) not in (1, 2) or not all(map(is_count, self.stem)):
            raise ValueError(f"a stem is one or two numbers of channels; not {self.stem}")
        if not isinstance(self.stem_residual, bool) or (self.stem_residual and len(self.stem) == 1):
            raise ValueError(
                f"stem_residual is true or false, and false for a stem of one convolution; not {self.stem_residual}"
            )
        if not is_count(self.stem_stride) or self.stem_stride > 2:
            raise ValueError(f"stem_stride is 1 or 2; not {self.stem_stride}")
