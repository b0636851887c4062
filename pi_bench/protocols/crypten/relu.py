"""ReLUs by CrypTen's own comparison, on the kept elements only: gather, compare, multiply, scatter.

For a layer 9 rounds, and for an element 232 bytes each way: the shares are added as binary numbers (one AND, then six levels of
a carry tree with two ANDs each, all on 64-bit words), the sign bit is turned back into an arithmetic share, and x is multiplied
by its complement.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from pi_bench.cost import Message
from pi_bench.model.operations import Weights
from pi_bench.model.walk import Inputs
from pi_bench.protocols.dealing.correlation import Correlation, Tensors
from pi_bench.protocols.dealing.triples import BinaryTriple, RandomBit, Triple
from pi_bench.protocols.layer import Layer, frame_bytes
from pi_bench.protocols.part import Context, Outputs, Part, Step
from pi_bench.protocols.shares.share import Share

if TYPE_CHECKING:
    from pi_bench.protocols.crypten.engine import Engine

CARRY_LEVELS = 6  # log2 of the 64 bits of a word
# What is opened in each round, in words for each element: an AND or a product opens two for each of its elements
OPENED_WORDS = (2, *[4] * CARRY_LEVELS, 1, 2)  # first AND, carry tree, bit to arithmetic share, product


def exchanges(elements: int) -> list[Message]:
    """What CrypTen's ReLU on so many elements sends: in every round both parties at once."""
    found = []
    for words in OPENED_WORDS:
        sent = frame_bytes(words * elements)
        found += [Message("online", "server", "client", sent), Message("online", "client", "server", sent, crosses=True)]
    return found


def relu_correlations(elements: tuple[int, ...]) -> tuple[Correlation, ...]:
    """What CrypTen's ReLU asks its provider for, on a tensor of that shape."""
    levels = (BinaryTriple((2, 1, *elements)),) * CARRY_LEVELS  # for the stack of both parties' shares, summed over its 1
    return (BinaryTriple((1, *elements)), *levels, RandomBit(elements), Triple(elements))


class KeptReLU(Part):
    """A partial ReLU that compares nothing but what its mask keeps."""

    def messages(self, layer: Layer) -> list[Message]:
        return exchanges(layer.settings.batch * layer.operation.kept)

    def dealt(self, layer: Layer) -> Sequence[Correlation]:
        return relu_correlations((layer.settings.batch * layer.operation.kept,))

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        return _Step(layer, self.dealt(layer), context)


def start(context: Context) -> "Engine":
    """CrypTen in this process: started at the first call, at the same layer by both parties."""
    if context.engine is None:
        from pi_bench.protocols.crypten.engine import Engine  # here, since it takes a second, and counting does without

        context.engine = Engine(context.role, context.peer, context.has_dealer)
    return context.engine


class CryptenStep(Step):
    """A step whose randomness CrypTen asks its provider for."""

    def __init__(self, correlations: Sequence[Correlation], context: Context):
        self._engine = start(context)
        self._correlations = correlations

    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, list[tuple[Correlation, Tensors]]]:
        return [None], list(zip(self._correlations, dealt, strict=False))  # nothing is dealt where there is no dealer


class _Step(CryptenStep):
    def __init__(self, layer: Layer, correlations: Sequence[Correlation], context: Context):
        super().__init__(correlations, context)
        relu = layer.operation
        offsets = np.arange(layer.settings.batch)[:, None] * relu.size
        self._indices = torch.from_numpy((offsets + np.flatnonzero(relu.mask)).ravel())
        self._all = relu.kept == relu.size

    def online(self, material: list[tuple[Correlation, Tensors]], inputs: Inputs) -> Outputs:
        ((x,),) = inputs
        self._engine.fill(material)
        flat = x.words.flatten()
        kept = self._engine.relu(flat if self._all else flat[self._indices])
        result = kept if self._all else flat.index_copy(0, self._indices, kept)
        return [Share(result.reshape(x.words.shape), x.bits)]
