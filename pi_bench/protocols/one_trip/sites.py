"""The sites of a ReLU layer for a batch: which elements are opened, in which pieces, and how bits travel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pi_bench.model.operations import ReLU, Shape
from pi_bench.protocols.layer import WORD_BYTES, Held, Layer
from pi_bench.protocols.one_trip.gate import Gate
from pi_bench.protocols.settings import Settings
from pi_bench.protocols.shares.audit import Notes
from pi_bench.protocols.shares.share import Share, truncated

PIECE = 16384  # elements that are opened, evaluated and answered together
Piece = list[tuple[int, slice]]  # (site, elements of it)


@dataclass(frozen=True)
class Site:
    """One ReLU. kept, dropped: indices of elements in the flat batch."""

    name: str
    gate: Gate
    shape: Shape
    kept: Tensor
    dropped: Tensor

    @property
    def count(self) -> int:
        """How many elements are opened."""
        return len(self.kept)

    @property
    def whole(self) -> bool:
        return not len(self.dropped)

    def of(self, x: Share) -> Tensor:
        """The kept elements of a share (N,)."""
        return x.words.flatten() if self.whole else x.words.flatten()[self.kept]

    def joined(self, x: Share, kept: Tensor, bits: int, notes: Notes | None) -> Share:
        """`kept` on the kept elements, and elsewhere x, truncated to `bits` by each party alone."""
        if self.whole:
            return Share(kept.reshape(self.shape), bits)
        result = x.words.flatten().clone()
        if x.bits > bits:
            image = self.dropped // (len(result) // len(x.words))
            result[self.dropped] = truncated(result[self.dropped], x.bits - bits, notes, image)
        return Share(result.index_copy_(0, self.kept, kept).reshape(self.shape), bits)


def sites(layer: Layer) -> list[Site]:
    """The layer's sites, in order."""
    return [_site(relu, held, layer.settings) for relu, (held,) in zip(layer.operations, layer.inputs, strict=True)]


def _site(relu: ReLU, held: Held, settings: Settings) -> Site:
    keeps = torch.from_numpy(relu.mask).flatten().repeat(settings.batch)
    kept, dropped = (torch.nonzero(chosen).flatten() for chosen in (keeps, ~keeps))
    gate = Gate(held.bits - settings.precision_bits, settings.bits_of(relu.name))
    return Site(relu.name, gate, (settings.batch, *relu.shape), kept, dropped)


def pieces(counts: Sequence[int]) -> list[Piece]:
    """Sites of so many elements, cut and joined to pieces of at most PIECE elements."""
    found: list[Piece] = [[]]
    for site, count in enumerate(counts):
        start = 0
        while start < count:
            if size(found[-1]) == PIECE:
                found.append([])
            stop = min(count, start + PIECE - size(found[-1]))
            found[-1].append((site, slice(start, stop)))
            start = stop
    return found


def size(piece: Piece) -> int:
    """Elements of a piece."""
    return sum(part.stop - part.start for _, part in piece)


def parts(piece: Piece) -> Iterator[tuple[int, slice, slice]]:
    """Of each part of a piece the site, its elements there, and its elements within the piece."""
    start = 0
    for site, part in piece:
        yield site, part, slice(start, start := start + part.stop - part.start)


def packed_words(count: int) -> int:
    """Words that so many bits take."""
    return -(-count // (8 * WORD_BYTES))


def packed(bits: np.ndarray) -> Tensor:
    """uint8 (N,) of 0 and 1 as int64 (packed_words(N),)."""
    found = np.zeros(packed_words(len(bits)) * WORD_BYTES, np.uint8)
    found[: -(-len(bits) // 8)] = np.packbits(bits)
    return torch.from_numpy(found.view(np.int64))


def unpacked(words: Tensor, count: int) -> np.ndarray:
    """What `packed` packed."""
    return np.unpackbits(words.numpy().view(np.uint8), count=count)
