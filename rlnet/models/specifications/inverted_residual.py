"""Specifications of networks of inverted residual blocks: the student family of RNAS-CL, and ProARD's small one."""

from dataclasses import dataclass
from typing import Literal, get_args

from rlnet.models.specifications.specification import Specification, is_count

Activation = Literal["relu", "hswish"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)


@dataclass(frozen=True)
class Block:
    """kernel: of the depthwise convolution, odd. mid: channels inside; those of the input, without expansion, if `expands` is
    false. out: channels. stride: 1 or 2. residual: adds the input to the output; of different widths, the first channels.
    act, se: the activation, and whether squeeze-and-excitation follows the depthwise convolution; both cost more than a ReLU
    under encryption and exist to reproduce published networks."""

    kernel: int
    mid: int
    out: int
    stride: int = 1
    residual: bool = False
    act: Activation = "relu"
    se: bool = False
    expands: bool = True

    def __post_init__(self) -> None:
        counts = all(map(is_count, (self.kernel, self.mid, self.out, self.stride)))
        flags = all(isinstance(flag, bool) for flag in (self.residual, self.se, self.expands))
        if not counts or not flags or self.kernel % 2 == 0 or self.stride > 2 or self.act not in ACTIVATIONS:
            raise ValueError(f"there is no inverted residual block like {self}")
        if self.residual and self.stride != 1:
            raise ValueError(f"a block with a residual keeps the resolution; not {self}")


def rounded(channels: float) -> int:
    """To a multiple of 8, at least 8 and never below 90% (Sandler et al. 2018's code, and all that came of it)."""
    found = max(8, int(channels + 4) // 8 * 8)
    return found + 8 if found < 0.9 * channels else found


@dataclass(frozen=True)
class InvertedResidualSpec(Specification):
    """stem: channels of the 3x3 convolution at the start, of stride `stem_stride`. stages: blocks. head: channels of 1x1
    convolutions after them; the first before the mean over the map and with batch norm, a second after it and without. act: of
    stem and head. bias: of all convolutions."""

    stages: tuple[tuple[Block, ...], ...]
    stem: int = 16
    stem_stride: int = 2
    head: tuple[int, ...] = ()
    act: Activation = "relu"
    bias: bool = False

    family = "inverted-residual"

    def __post_init__(self) -> None:
        stages = tuple(tuple(b if isinstance(b, Block) else Block(**b) for b in stage) for stage in self.stages)
        object.__setattr__(self, "stages", stages)
        if not stages or not all(stages) or not is_count(self.stem) or not is_count(self.stem_stride) or self.stem_stride > 2:
            raise ValueError(
                "a network of inverted residuals has a stem of 1 or more channels, of stride 1 or 2, "
                "and 1 or more blocks in each stage"
            )
        if not isinstance(self.head, tuple) or len(self.head) > 2 or not all(map(is_count, self.head)):
            raise ValueError(f"a head is at most two numbers of channels; not {self.head}")
        if self.act not in ACTIVATIONS or not isinstance(self.bias, bool):
            raise ValueError(f"act is one of {', '.join(ACTIVATIONS)}, bias true or false; not {self.act} and {self.bias}")
        c = self.stem
        for block in (block for stage in stages for block in stage):
            if not block.expands and block.mid != c:
                raise ValueError(f"without expansion a block is as wide inside as its input, {c} channels; not {block}")
            c = block.out
