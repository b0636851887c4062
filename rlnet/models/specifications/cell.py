"""Specifications of networks of densely connected cells: the family of RobNet (Guo et al. 2020, arXiv:1911.10695).

The cells at a third and at two thirds halve the map and double the channels.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

from rlnet.models.specifications.cell_wiring import CODES, EDGES, NODES, STATES, Codes, live, reads
from rlnet.models.specifications.specification import LATER, Specification, is_count

Stem = Literal["cifar", "imagenet"]
STEMS: tuple[Stem, ...] = get_args(Stem)
Denoise = Literal["none", "mean", "dot-product", "gaussian"]
DENOISE: tuple[Denoise, ...] = get_args(Denoise)


@dataclass(frozen=True)
class CellSpec(Specification):
    """cells: of each, the codes of its 14 edges, node by node and by where they start: "01" a separable convolution, "10" the
    identity, "11" their sum, "00" none. channels: of a node of the first cells; the stem has three times as many. shared: one
    ReLU for each tensor, where the published form, of the same values, has one in front of each operation. affine: whether the
    cells' batch norms have weights and biases; the published ones have none. stem: cifar, with three times the channels and
    stem_stride, or imagenet, which takes an eighth of the image's resolution to as many channels as a node has. denoise: the
    filter of a denoising block after the last cell of each stage (Xie et al. 2019 have one after the last block of each stage;
    RobNet's paper does not say where)."""

    cells: tuple[Codes, ...]
    channels: int = 36
    stem_stride: int = 1
    shared: bool = True
    affine: bool = False
    stem: Stem = field(default="cifar", metadata=LATER)
    denoise: Denoise = field(default="none", metadata=LATER)

    family = "cell"

    def __post_init__(self) -> None:
        if not isinstance(self.cells, tuple) or not self.cells:
            raise ValueError("a network of cells has a tuple of one cell or more")
        for k, codes in enumerate(self.cells):
            if not isinstance(codes, tuple) or len(codes) != EDGES or not all(code in CODES for code in codes):
                raise ValueError(f"cell {k} is a tuple of {EDGES} codes, each of {', '.join(CODES)}; not {codes!r}")
        if not is_count(self.channels) or not is_count(self.stem_stride) or self.stem_stride > 2:
            raise ValueError(f"channels are 1 or more, stem_stride is 1 or 2; not {self.channels!r} and {self.stem_stride!r}")
        if not isinstance(self.shared, bool) or not isinstance(self.affine, bool):
            raise ValueError(f"shared and affine are true or false, not {self.shared!r} and {self.affine!r}")
        if self.stem not in STEMS or self.denoise not in DENOISE:
            raise ValueError(
                f"stem is {' or '.join(STEMS)}, denoise one of {', '.join(DENOISE)}; not {self.stem!r} and {self.denoise!r}"
            )
        if self.stem == "imagenet" and self.stem_stride != 1:
            raise ValueError("stem_stride is of the stem cifar; the stem imagenet has strides of its own")

    @cached_property
    def live(self) -> tuple[Codes, ...]:
        """The cells without the edges that make no difference."""
        return live(self.cells)

    @property
    def reductions(self) -> tuple[int, ...]:
        """The cells that halve the map."""
        return tuple(sorted({len(self.cells) // 3, 2 * len(self.cells) // 3}))

    def width(self, cell: int) -> int:
        """Channels of a node of a cell."""
        return self.channels * 2 ** sum(reduction <= cell for reduction in self.reductions)

    def output(self, cell: int) -> int:
        """Channels that leave a cell; the stem is cells -1 and -2."""
        return NODES * self.width(cell) if cell >= 0 else self.channels * (3 if self.stem == "cifar" else 1)

    def halves(self, cell: int) -> bool:
        """Whether a cell's input s0 is twice as large as s1."""
        return cell - 1 in self.reductions or (cell == 0 and self.stem == "imagenet")

    def readers(self, cell: int) -> tuple[tuple[int, str], ...]:
        """Which inputs of which cells are the output of a cell; the stem is cell -1, that of imagenet cells -2 and -1."""
        places = [(cell + 1, 1), (cell + 2, 0)]
        if self.stem == "cifar" and cell == -1:
            places = [(0, 0), *places]
        return tuple((k, STATES[state]) for k, state in places if 0 <= k < len(self.cells) and reads(self.live[k], state))

    @property
    def stages(self) -> tuple[range, ...]:
        """The cells of each map size, in order."""
        borders = [0, *(k for k in self.reductions if k > 0), len(self.cells)]
        return tuple(range(first, end) for first, end in pairwise(borders))
