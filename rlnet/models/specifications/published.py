"""Published families laid out: from the numbers that a paper gives to the blocks of a specification."""

from collections.abc import Sequence
from typing import Literal

from rlnet.models.specifications.bottleneck import BottleneckSpec, BottleneckStage
from rlnet.models.specifications.inverted_residual import Activation, Block, InvertedResidualSpec, rounded

STEM = 16
RNAS_CL_STRIDES = (1, 2, 2)
FBNET_STRIDES = (2, 2, 2, 1, 2)
FBNET_FEATURES = 1984
RESNET_STRIDES = (1, 2, 2, 2)
MOBILENET_STRIDES = (1, 2, 2, 1, 2)
MOBILENET_WIDTHS = (24, 40, 80, 112, 160)
MOBILENET_ACTS: tuple[Activation, ...] = ("relu", "relu", "hswish", "hswish", "hswish")
MOBILENET_SE = (False, True, False, True, True)

Profile = Literal["relu", "published"]
"""Of a MobileNetV3: with ReLUs only and without squeeze-and-excitation, or as its paper has it."""


def rnas_cl(
    widths: Sequence[Sequence[int]],
    largest: Sequence[int],
    act: Activation = "relu",
    for_imagenet: bool = False,
    stem: int = STEM,
) -> InvertedResidualSpec:
    """A network of RNAS-CL, whose blocks are six times as wide inside as their input (FBNetV2, arXiv:2004.05565).

    widths: output channels of each block of each stage. largest: of each stage in its search space, which decides where a
    residual is: at stride 1, where the space's widest input and output are equal. for_imagenet: with a block before the stages,
    a head after them, and halving in the first stage too. stem: channels of the first convolution, fewer than published where
    the widths are scaled down too.
    """
    stages, c, widest = [], stem, stem
    if for_imagenet:
        stages.append((Block(3, stem, stem, residual=True, act=act, expands=False),))
    for outs, c_max, first in zip(widths, largest, FBNET_STRIDES if for_imagenet else RNAS_CL_STRIDES, strict=False):
        blocks = []
        for i, out in enumerate(outs):
            stride = first if i == 0 else 1
            blocks.append(Block(3, 6 * c, out, stride, residual=stride == 1 and widest == c_max, act=act))
            c, widest = out, c_max
        stages.append(tuple(blocks))
    head = (6 * c, FBNET_FEATURES * stem // STEM) if for_imagenet else ()
    return InvertedResidualSpec(tuple(stages), stem, 2, head, act, bias=True)


def mobilenet_v3(
    kernels: Sequence[Sequence[int]],
    expansions: Sequence[Sequence[float]],
    profile: Profile = "relu",
    width: float = 1.0,
    stem_stride: int = 1,
) -> InvertedResidualSpec:
    """A MobileNetV3 for small images (Howard et al. 2019, arXiv:1905.02244), as ProARD's: without stride in its first stages.

    kernels, expansions: of each block of each stage; a block's inner channels are those of its input times its expansion.
    width: times all channels. The dropout before the last layer is left out.
    """
    published = profile == "published"
    act: Activation = "hswish" if published else "relu"
    c = rounded(STEM * width)
    stages = [(Block(3, c, c, residual=True, expands=False),)]
    stem, parts = c, zip(kernels, expansions, MOBILENET_WIDTHS, MOBILENET_STRIDES, MOBILENET_ACTS, MOBILENET_SE, strict=True)
    for sizes, factors, base, first, inner, se in parts:
        out, blocks = rounded(base * width), []
        for i, (kernel, factor) in enumerate(zip(sizes, factors, strict=True)):
            stride, mid = first if i == 0 else 1, rounded(round(c * factor))
            blocks.append(
                Block(kernel, mid, out, stride, stride == 1 and c == out, inner if published else "relu", published and se)
            )
            c = out
        stages.append(tuple(blocks))
    return InvertedResidualSpec(tuple(stages), stem, stem_stride, (rounded(6 * c), rounded(1280 * width)), act)


def mobilenet_v3_large(profile: Profile = "published") -> InvertedResidualSpec:
    """MobileNetV3-Large (Howard et al. 2019, Table 1), with ProARD's strides for CIFAR: 4.2 million parameters."""
    kernels = ((3, 3), (5, 5, 5), (3, 3, 3, 3), (3, 3), (5, 5, 5))
    expansions = ((4, 3), (3, 3, 3), (6, 2.5, 2.3, 2.3), (6, 6), (6, 6, 6))
    return mobilenet_v3(kernels, expansions, profile)


def resnet50(
    mids: Sequence[Sequence[int]], outs: Sequence[int], stem: tuple[int, ...] = (64,), **stems: object
) -> BottleneckSpec:
    """Four stages of bottlenecks for small images. mids: inner channels of each block. outs: of each stage. **stems: how the
    stem is, as in `BottleneckSpec`."""
    stages = zip(mids, outs, RESNET_STRIDES, strict=True)
    return BottleneckSpec(tuple(BottleneckStage(tuple(mid), out, stride) for mid, out, stride in stages), stem, **stems)
