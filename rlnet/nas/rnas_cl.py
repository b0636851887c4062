"""The search spaces of RNAS-CL: how wide each inverted residual block is (Nath et al. 2024, Tables 13 and 14)."""

from dataclasses import dataclass
from functools import cached_property

from rlnet.models.specifications.inverted_residual import Activation, InvertedResidualSpec
from rlnet.models.specifications.published import STEM, rnas_cl
from rlnet.models.specifications.specification import Specification
from rlnet.nas.space import Genes, Space

SMALL = ((16, 12), (32, 28, 24, 20), (64, 60, 56, 52))
IMAGENET = (
    (28, 24, 20, 16),
    (40, 36, 32, 28),
    (96, 88, 80, 72, 64, 56, 48),
    (128, 120, 108, 100, 92, 84, 76, 68),
    (216, 208, 200, 192, 184, 176, 168, 160, 152, 144, 136, 128, 120, 108),
)

# Blocks of each stage, and the output channels that each of them may have.
SPACES: dict[str, tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]] = {
    "s3": ((3, 3, 3), SMALL),
    "s5": ((5, 5, 5), SMALL),
    "s7": ((7, 7, 7), SMALL),
    "m": ((9, 7, 1), ((80, 76), (160, 156, 152, 148), (128, 124, 120, 116))),
    "l": ((9, 7, 1), ((160, 156), (320, 316, 312, 308), (256, 252, 248, 244))),
    "is": ((3, 3, 3), IMAGENET[:3]),
    "im": ((3, 3, 3, 4), IMAGENET[:4]),
    "i": ((3, 3, 3, 4, 4), IMAGENET),
    "il": ((1, 2, 2, 4, 3), IMAGENET),
}
FOR_IMAGENET = {"is", "im", "i", "il"}


@dataclass(frozen=True)
class InvertedResidualSpace(Space):
    """One gene for each block: which of its stage's widths it has, the widest first.

    depths: blocks of each stage. widths: the output channels that a stage's blocks may have. act: "hswish" is the published
    one. for_imagenet: with the block before the stages and the head of the spaces for ImageNet. stem: channels before them.
    """

    depths: tuple[int, ...]
    widths: tuple[tuple[int, ...], ...]
    act: Activation = "relu"
    for_imagenet: bool = False
    stem: int = STEM

    @cached_property
    def choices(self) -> Genes:
        return tuple(len(widths) for depth, widths in zip(self.depths, self.widths, strict=True) for _ in range(depth))

    def specification(self, genes: Genes) -> InvertedResidualSpec:
        rest = iter(genes)
        widths = [[widths[next(rest)] for _ in range(n)] for n, widths in zip(self.depths, self.widths, strict=True)]
        return rnas_cl(widths, [max(widths) for widths in self.widths], self.act, self.for_imagenet, self.stem)

    def genes(self, spec: Specification) -> Genes:
        stages = spec.stages[self.for_imagenet :] if isinstance(spec, InvertedResidualSpec) else ()
        if tuple(map(len, stages)) == self.depths:
            pairs = [(block.out, widths) for stage, widths in zip(stages, self.widths, strict=True) for block in stage]
            if all(out in widths for out, widths in pairs):
                genes = tuple(widths.index(out) for out, widths in pairs)
                if self.specification(genes) == spec:
                    return genes
        raise ValueError(f"the specification is none of the space of {self.depths} blocks with {self.act} of RNAS-CL")

    @property
    def largest(self) -> InvertedResidualSpec:
        return self.specification((0,) * len(self.choices))

    @property
    def smallest(self) -> InvertedResidualSpec:
        return self.specification(tuple(n - 1 for n in self.choices))


def rnas_cl_space(name: str, act: Activation = "relu", times: float = 1) -> InvertedResidualSpace:
    """One of the published spaces, by its name in `SPACES`, of `times` as many channels.

    Raises ValueError for another name, and where that leaves no whole numbers of channels.
    """
    if name not in SPACES:
        raise ValueError(f"RNAS-CL has no search space {name!r}; known: {', '.join(SPACES)}")
    if times * 4 != int(times * 4):
        raise ValueError(
            f"space.width is {times}, and the channels of rnas-cl are multiples of 4: give 0.25, 0.5, 0.75 or 1, "
            "or leave space.width out"
        )
    depths, widths = SPACES[name]
    scaled = tuple(tuple(round(width * times) for width in stage) for stage in widths)
    return InvertedResidualSpace(depths, scaled, act, name in FOR_IMAGENET, round(STEM * times))
