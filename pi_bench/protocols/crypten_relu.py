"""ReLUs by CrypTen's own comparison, on the kept elements only: gather, compare, multiply, scatter.

Per layer 9 rounds, and per element 232 bytes each way: the shares are added as binary numbers (one AND, then six levels of a
carry tree with two ANDs each, all on 64-bit words), the sign bit is turned back into an arithmetic share, and x is multiplied
by its complement.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pi_bench.cost import ZERO, Cost
from pi_bench.model.operations import ReLU, Weights
from pi_bench.protocols.correlations import BinaryTriple, Correlation, RandomBit, Triple
from pi_bench.protocols.local_steps import with_share
from pi_bench.protocols.parts import FRAME_BYTES, WORD_BYTES, Context, CryptenStep, Part, Place, Step, dealt_bytes

if TYPE_CHECKING:
    from pi_bench.protocols.crypten_engine import Shares

CARRY_LEVELS = 6  # log2 of the 64 bits of a word
ROUNDS = 1 + CARRY_LEVELS + 1 + 1  # first AND, carry tree, bit to arithmetic share, product
OPENED_WORDS = 2 + CARRY_LEVELS * 4 + 1 + 2  # an AND or a product opens two words for each of its elements


def relu_cost(elements: int, correlations: tuple[Correlation, ...]) -> Cost:
    """The cost of CrypTen's ReLU on so many elements."""
    sent = ROUNDS * FRAME_BYTES + OPENED_WORDS * WORD_BYTES * elements
    return Cost(ROUNDS, server_bytes=sent, client_bytes=sent, dealt_bytes=dealt_bytes(correlations), opened_bytes=0)


def relu_correlations(elements: tuple[int, ...]) -> tuple[Correlation, ...]:
    """What CrypTen's ReLU asks its provider for, on a tensor of that shape."""
    levels = (BinaryTriple((2, 1, *elements)),) * CARRY_LEVELS  # for the stack of both parties' shares, summed over its 1
    return (BinaryTriple((1, *elements)), *levels, RandomBit(elements), Triple(elements))


class KeptReLU(Part):
    """A partial ReLU that compares nothing but what its mask keeps."""

    def cost(self, operation: ReLU, place: Place) -> Cost:
        elements = operation.kept * place.batch
        return relu_cost(elements, self.correlations(operation, place)) if elements else ZERO

    def correlations(self, operation: ReLU, place: Place) -> tuple[Correlation, ...]:
        return relu_correlations((operation.kept * place.batch,)) if operation.kept else ()

    def step(self, operation: ReLU, place: Place, context: Context, weights: Weights | None, masked: Tensor | None) -> Step:
        return _Step(operation, place, context)


class _Step(CryptenStep):
    def __init__(self, operation: ReLU, place: Place, context: Context):
        super().__init__(context)
        kept = np.flatnonzero(operation.mask)
        offsets = np.arange(place.batch)[:, None] * operation.size
        self._indices = torch.from_numpy((offsets + kept).ravel())
        self._all = operation.kept == operation.size

    def run(self, x: "Shares") -> "Shares":
        from pi_bench.protocols.crypten_engine import MPCTensor  # here, since costs are asked for without crypten

        if not len(self._indices):
            return x
        flat = x.share.flatten()
        kept = MPCTensor.from_shares(flat if self._all else flat[self._indices]).relu().share
        result = kept if self._all else flat.index_copy(0, self._indices, kept)
        return with_share(x, result.reshape(x.share.shape))
