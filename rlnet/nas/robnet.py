"""RobNet's search spaces, and what its search asks of a network before it trains it (Guo et al. 2020, arXiv:1911.10695)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from rlnet.models.cell_operations import has_conv
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import CODES, DIRECT, EDGES, NONE, SKIP, used_edges
from rlnet.models.specifications.specification import Specification
from rlnet.nas.space import Genes, Space

MIN_DENSITY, MIN_DIRECT = 0.5, 0.5  # Sec. 3.3
# Convolutions of a cell, at least and at most. The paper's borders leave 7 and 11 to nobody, yet its small network has 7.
BUDGETS = {"small": (0, 7), "medium": (8, 10), "large": (11, EDGES)}


@dataclass(frozen=True)
class RobNetSpace(Space):
    """A gene for each edge, its choice the code's number. free: each cell has genes of its own ("cell-free"); else all cells
    are one ("cell-based", 4^14 = 2^28). The other fields are those of every specification in the space."""

    cells: int = 20
    channels: int = 36
    stem_stride: int = 1
    shared: bool = True
    affine: bool = False
    free: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.cells, int) or self.cells < 1:
            raise ValueError(f"a RobNet has 1 cell or more, not {self.cells!r}")
        _ = self.largest  # checks the other fields

    @cached_property
    def choices(self) -> Genes:
        return (len(CODES),) * (EDGES * self.cells if self.free else EDGES)

    def specification(self, genes: Genes) -> CellSpec:
        codes = tuple(CODES[gene] for gene in genes)
        cells = tuple(codes[i : i + EDGES] for i in range(0, len(codes), EDGES))
        cells = cells if self.free else cells * self.cells
        return CellSpec(cells, self.channels, self.stem_stride, self.shared, self.affine)

    def genes(self, spec: Specification) -> Genes:
        if not isinstance(spec, CellSpec) or replace(self.largest, cells=spec.cells) != spec or len(spec.cells) != self.cells:
            raise ValueError(f"the specification is none of {self}")
        if not self.free and len(set(spec.cells)) > 1:
            raise ValueError("the specification is not of one cell; the cell-free space has such networks")
        cells = spec.cells if self.free else spec.cells[:1]
        return self.canonical(tuple(CODES.index(code) for codes in cells for code in codes))

    def is_used(self, genes: Genes) -> tuple[bool, ...]:
        used = used_edges(self.specification(genes).cells)
        if self.free:
            return tuple(u for cell in used for u in cell)
        return tuple(map(any, zip(*used, strict=True)))

    @cached_property
    def largest(self) -> CellSpec:
        """All bits set: the supernet."""
        return self.specification((CODES.index("11"),) * (EDGES * self.cells if self.free else EDGES))

    @cached_property
    def smallest(self) -> CellSpec:
        """Of every second cell the identity from s0 to n0, and nothing else: few networks that see the image cost less."""
        genes = (CODES.index(SKIP), *(EDGES - 1) * (CODES.index(NONE),)) * (self.cells if self.free else 1)
        return self.specification(self.canonical(genes))


def density(spec: CellSpec) -> float:
    """D, the bits that are set, of the 28 of each cell (Sec. 3.3). Edges that make no difference do not count."""
    return sum(code.count("1") for codes in spec.live for code in codes) / (2 * EDGES * len(spec.cells))


def direct_share(spec: CellSpec) -> float:
    """The share of the direct edges, from each node's nearest state to it, that have a convolution.

    The paper's text has the direct convolutions as a part of all convolutions (Sec. 3.3), and asks for more than half; with 4
    direct edges no cell of 8 convolutions or more can have that, and its own large one has 3 of 13.
    """
    return sum(has_conv(codes[edge]) for codes in spec.live for edge in DIRECT) / (len(DIRECT) * len(spec.cells))


def convolutions(spec: CellSpec) -> float:
    """Convolutions of a cell, in the mean over cells."""
    return sum(has_conv(code) for codes in spec.live for code in codes) / len(spec.cells)


def is_promising(spec: CellSpec) -> bool:
    """Whether a network is dense and direct enough to be worth training."""
    return density(spec) >= MIN_DENSITY and direct_share(spec) > MIN_DIRECT


def has_budget(name: str) -> Callable[[CellSpec], bool]:
    """The filter of a computational budget, "small", "medium" or "large". Raises ValueError for another."""
    if name not in BUDGETS:
        raise ValueError(f"there is no budget {name!r}; use one of {', '.join(BUDGETS)}")
    least, most = BUDGETS[name]
    return lambda spec: least <= round(convolutions(spec)) <= most
