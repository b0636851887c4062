"""The kinds of correlated randomness that a dealer deals, each as what the dealer computes and what the two parties make of it.

Each party shares a key with the dealer and expands its own part. What cannot be chosen freely, since it has to fit the rest, is
a correction, which the dealer sends to the server (Beaver 1991; the compression is that of CrypTen's trusted third party). The
dealer and the parties call these functions in the same order, which is fixed by the architecture.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor

from pi_bench.model.operations import Conv, Linear
from pi_bench.protocols.randomness import Stream
from pi_bench.protocols.ring import multiply

Shape = tuple[int, ...]
Operator = Callable[[Tensor, Tensor], Tensor]


class Correlation(ABC):
    """Correlated randomness for one step of a protocol."""

    @property
    @abstractmethod
    def correction_shape(self) -> Shape:
        """What the dealer sends to the server: the shape of an int64 tensor."""

    @property
    def correction_bytes(self) -> int:
        return 8 * prod(self.correction_shape)

    @abstractmethod
    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        """The correction. `masks` are the masks of the weights by operation, as dealt before the first inference."""

    @abstractmethod
    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        """A party's shares; the correction is the server's, None at the client."""


@dataclass(frozen=True)
class _ElementTriple(Correlation):
    """Shares of a, b and their product, element by element, in a ring that the sub-classes choose."""

    add: ClassVar[Operator]
    subtract: ClassVar[Operator]
    multiply: ClassVar[Operator]

    shape: Shape

    @property
    def correction_shape(self) -> Shape:
        return self.shape

    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        a, b = (self.add(server.ring(self.shape), client.ring(self.shape)) for _ in range(2))
        return self.subtract(self.multiply(a, b), client.ring(self.shape))

    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        a, b = stream.ring(self.shape), stream.ring(self.shape)
        return a, b, stream.ring(self.shape) if correction is None else correction


class Triple(_ElementTriple):
    """Shares of a, b and a * b modulo 2^64."""

    add, subtract, multiply = map(staticmethod, (torch.add, torch.sub, torch.mul))


class BinaryTriple(_ElementTriple):
    """XOR shares of a, b and a & b, for all 64 bits of each element."""

    add, subtract, multiply = map(staticmethod, (torch.bitwise_xor, torch.bitwise_xor, torch.bitwise_and))


@dataclass(frozen=True)
class RandomBit(Correlation):
    """Arithmetic and XOR shares of the same random bits, as (arithmetic, xor)."""

    shape: Shape

    @property
    def correction_shape(self) -> Shape:
        return self.shape

    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        bit = server.bits(self.shape) ^ client.bits(self.shape)
        return bit - client.ring(self.shape)

    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        xor = stream.bits(self.shape)
        return stream.ring(self.shape) if correction is None else correction, xor


@dataclass(frozen=True)
class _Product(Correlation):
    """A product of the operation's; input_shape is with the batch dimension."""

    operation: Conv | Linear
    input_shape: Shape

    @property
    def correction_shape(self) -> Shape:
        return (self.input_shape[0], *self.operation.shape)


class BilinearTriple(_Product):
    """Shares of an input-shaped a, a weight-shaped b, and the operation's product of the two."""

    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        a = server.ring(self.input_shape) + client.ring(self.input_shape)
        b = server.ring(self.operation.weight_shape) + client.ring(self.operation.weight_shape)
        return multiply(self.operation, a, b) - client.ring(self.correction_shape)

    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        a, b = stream.ring(self.input_shape), stream.ring(self.operation.weight_shape)
        return a, b, stream.ring(self.correction_shape) if correction is None else correction


class MaskedProduct(_Product):
    """The client's a, and shares of the product of a and the operation's weight mask b, which the server has since the set-up.

    The server gets (its share,), the client (a, its share).
    """

    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        product = multiply(self.operation, client.ring(self.input_shape), masks[self.operation.name])
        return product - client.ring(self.correction_shape)

    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        if correction is not None:
            return (correction,)
        return stream.ring(self.input_shape), stream.ring(self.correction_shape)
