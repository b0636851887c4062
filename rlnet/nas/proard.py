"""The search spaces of ProARD: a ResNet-50 and a MobileNetV3 of which depth, widths, expansion and kernels are free.

Both are those of Once-for-All (Cai et al. 2020, arXiv:1908.09791) without its stems' strides (Mousavi et al. 2025, ProARD).
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

from rlnet.models.specifications.bottleneck import BottleneckSpec
from rlnet.models.specifications.inverted_residual import InvertedResidualSpec, rounded
from rlnet.models.specifications.published import Profile, mobilenet_v3, resnet50
from rlnet.models.specifications.specification import Specification
from rlnet.nas.phases import PHASES
from rlnet.nas.space import Genes, Space

ALL = (0, 1, 2)


class ProgressiveSpace(Space):
    """Of every stage the first blocks are there; choices ascend. `seen` are the genes that a predictor sees, in order: depths
    show by the zeros of the blocks that are not there. Where two choices round to one width, the canonical row has the
    first."""

    seen: Genes
    family: type[Specification]

    @abstractmethod
    def read(self, spec: Specification) -> Genes:
        """The genes of a specification of the family, if it is in the space. Raises ValueError for some that are not."""

    @abstractmethod
    def alike(self, expansion: int, other: int) -> Specification:
        """The deepest network whose blocks all have one choice of expansion, and whose widths or kernels are all another."""

    def genes(self, spec: Specification) -> Genes:
        refusal = f"the specification is not in {self}"
        if not isinstance(spec, self.family):
            raise ValueError(refusal)
        try:
            genes = self.read(spec)
            in_range = all(gene in range(n) for gene, n in zip(genes, self.choices, strict=True))
        except ValueError as error:
            raise ValueError(refusal) from error
        if not in_range or self.specification(genes) != spec:
            raise ValueError(refusal)
        return genes

    def canonical(self, genes: Genes) -> Genes:
        return self.genes(self.specification(genes))

    @property
    def largest(self) -> Specification:
        return self.specification(tuple(n - 1 for n in self.choices))

    @property
    def smallest(self) -> Specification:
        return self.specification((0,) * len(self.choices))

    def encode(self, genes: Genes) -> list[float]:
        """1 for the resolution, of which there is one, then the genes that are seen."""
        used = self.is_used(genes)
        return [1.0] + [float(used[i] and genes[i] == choice) for i in self.seen for choice in range(self.choices[i])]


@dataclass(frozen=True)
class ResNet50Space(ProgressiveSpace):
    """Genes: whether the stem has its residual convolution; depths of 4 stages; expansions of 18 blocks; widths of the stem's
    two and of the stages.

    width: channels of the stem at the largest, 64 in ProARD. stem_stride: 1 in ProARD.
    """

    width: int = 64
    stem_stride: int = 1

    family = BottleneckSpec
    depths = (2, 2, 4, 2)  # of each stage at least; at most 2 more
    expansions = (0.2, 0.25, 0.35)
    factors = (0.65, 0.8, 1.0)
    choices = (2, *(3,) * 4, *(3,) * 18, *(3,) * 6)
    seen = (0, *range(23, 29), *range(5, 23))

    @property
    def widths(self) -> tuple[tuple[int, ...], ...]:
        """The choices of channels: of the stem's first convolution, its last, and the stages' outputs."""
        largest = (self.width / 2, self.width, *(4 * self.width * 2**i for i in range(4)))
        return tuple(tuple(rounded(c * factor) for factor in self.factors) for c in largest)

    def mids(self, out: int) -> tuple[int, ...]:
        """The choices of inner channels of a block with so many at its output."""
        return tuple(rounded(round(out * expansion)) for expansion in self.expansions)

    def specification(self, genes: Genes) -> BottleneckSpec:
        first, last, *outs = (choices[gene] for gene, choices in zip(genes[23:], self.widths, strict=True))
        parts = zip(outs, genes[1:5], self.depths, self._blocks(genes), strict=True)
        mids = [[self.mids(out)[gene] for gene in blocks[: least + depth]] for out, depth, least, blocks in parts]
        return resnet50(mids, outs, (first, last), stem_residual=bool(genes[0]), stem_stride=self.stem_stride)

    def alike(self, expansion: int, other: int) -> BottleneckSpec:
        return self.specification((1, *(2,) * 4, *(expansion,) * 18, *(other,) * 6))

    def read(self, spec: BottleneckSpec) -> Genes:
        widths = (*spec.stem, *(stage.out for stage in spec.stages))
        expansions: list[int] = []
        for stage, least in zip(spec.stages, self.depths, strict=True):
            found = [self.mids(stage.out).index(mid) for mid in stage.mids]
            expansions += found + [0] * (least + 2 - len(found))
        depths = [len(stage.mids) - least for stage, least in zip(spec.stages, self.depths, strict=True)]
        chosen = [choices.index(width) for width, choices in zip(widths, self.widths, strict=True)]
        return (int(spec.stem_residual), *depths, *expansions, *chosen)

    def is_used(self, genes: Genes) -> tuple[bool, ...]:
        there = [i < least + depth for least, depth in zip(self.depths, genes[1:5], strict=True) for i in range(least + 2)]
        return (True,) * 5 + tuple(there) + (True,) * 6

    def _blocks(self, genes: Genes) -> Iterator[Genes]:
        """The expansion genes of each stage."""
        rest = iter(genes[5:23])
        return (tuple(next(rest) for _ in range(least + 2)) for least in self.depths)

    def phase(self, name: str) -> tuple[Genes, ...]:
        """What `sample` may draw in a phase of progressive shrinking."""
        phase = PHASES[name]
        stem = (1,) if phase.depths == (2,) else (0, 1)
        return (stem, *(phase.depths,) * 4, *(phase.expansions,) * 18, *(ALL,) * 6)

    @cached_property
    def networks(self) -> int:
        """How many different networks there are. ProARD's 2 x 3^6 x 117^3 x 1053 is half as many again: of the stem's first
        convolution, two of the three widths are both 24."""
        first, last, *outs = self.widths
        count = 2 * len(set(first)) * len(set(last))
        for widths, least in zip(outs, self.depths, strict=True):
            count *= sum(len(set(self.mids(out))) ** (least + depth) for out in set(widths) for depth in ALL)
        return count


@dataclass(frozen=True)
class MobileNetV3Space(ProgressiveSpace):
    """Genes: kernels of 20 blocks, their expansions, and depths of 5 stages.

    profile: "relu" has ReLUs only; "published" h-swish and squeeze-and-excitation as MobileNetV3. width: times all channels.
    """

    profile: Profile = "relu"
    width: float = 1.0
    stem_stride: int = 1

    family = InvertedResidualSpec
    kernels = (3, 5, 7)
    expansions = (3, 4, 6)
    least = 2  # blocks of a stage; at most 2 more
    choices = (*(3,) * 20, *(3,) * 20, *(3,) * 5)
    seen = tuple(range(40))

    def specification(self, genes: Genes) -> InvertedResidualSpec:
        depths = [self.least + depth for depth in genes[40:]]
        kernels = [[self.kernels[gene] for gene in genes[4 * s :][:n]] for s, n in enumerate(depths)]
        expansions = [[self.expansions[gene] for gene in genes[20 + 4 * s :][:n]] for s, n in enumerate(depths)]
        return mobilenet_v3(kernels, expansions, self.profile, self.width, self.stem_stride)

    def alike(self, expansion: int, other: int) -> InvertedResidualSpec:
        return self.specification((*(other,) * 20, *(expansion,) * 20, *(2,) * 5))

    def read(self, spec: InvertedResidualSpec) -> Genes:
        kernels, expansions, c = [], [], spec.stages[0][-1].out
        for stage in spec.stages[1:]:
            for block in stage:
                kernels.append(self.kernels.index(block.kernel))
                expansions.append([rounded(round(c * expansion)) for expansion in self.expansions].index(block.mid))
                c = block.out
            absent = [0] * (self.least + 2 - len(stage))
            kernels, expansions = kernels + absent, expansions + absent
        return (*kernels, *expansions, *(len(stage) - self.least for stage in spec.stages[1:]))

    def is_used(self, genes: Genes) -> tuple[bool, ...]:
        there = tuple(i < self.least + depth for depth in genes[40:] for i in range(self.least + 2))
        return there + there + (True,) * 5

    def phase(self, name: str) -> tuple[Genes, ...]:
        """What `sample` may draw in a phase of progressive shrinking."""
        phase = PHASES[name]
        return ((ALL,) * 20) + ((phase.expansions,) * 20) + ((phase.depths,) * 5)

    @cached_property
    def networks(self) -> int:
        """How many different networks there are, if no two expansions round to one width: 7371^5 of ProARD's."""
        return prod(sum(9 ** (self.least + depth) for depth in ALL) for _ in range(5))
