"""The kinds of correlated randomness that a dealer deals, each as what the dealer computes and what the two parties make of it.

Each party shares a key with the dealer and expands its own part. What cannot be chosen freely, since it has to fit the rest, is
a correction, which the dealer sends to the server (Beaver 1991; the compression is that of CrypTen's trusted third party). The
dealer and the parties call these functions in the same order, which is fixed by the architecture.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from torch import Tensor

from pi_bench.model.operations import Conv, Linear
from pi_bench.protocols.randomness import Stream
from pi_bench.protocols.ring import multiply

Shape = tuple[int, ...]


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
class Triple(Correlation):
    """Shares of a, b and a * b, element by element."""

    shape: Shape

    @property
    def correction_shape(self) -> Shape:
        return self.shape

    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        a, b = (server.ring(self.shape) + client.ring(self.shape) for _ in range(2))
        return a * b - client.ring(self.shape)

    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        a, b = stream.ring(self.shape), stream.ring(self.shape)
        return a, b, stream.ring(self.shape) if correction is None else correction


@dataclass(frozen=True)
class BinaryTriple(Correlation):
    """XOR shares of a, b and a & b, for all 64 bits of each element."""

    shape: Shape

    @property
    def correction_shape(self) -> Shape:
        return self.shape

    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        a, b = (server.ring(self.shape) ^ client.ring(self.shape) for _ in range(2))
        return (a & b) ^ client.ring(self.shape)

    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        a, b = stream.ring(self.shape), stream.ring(self.shape)
        return a, b, stream.ring(self.shape) if correction is None else correction


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
class BilinearTriple(Correlation):
    """Shares of an input-shaped a, a weight-shaped b, and the operation's product of the two."""

    operation: Conv | Linear
    input_shape: Shape  # with the batch dimension

    @property
    def correction_shape(self) -> Shape:
        return (self.input_shape[0], *self.operation.shape)

    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        a = server.ring(self.input_shape) + client.ring(self.input_shape)
        b = server.ring(self.operation.weight_shape) + client.ring(self.operation.weight_shape)
        return multiply(self.operation, a, b) - client.ring(self.correction_shape)

    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        a, b = stream.ring(self.input_shape), stream.ring(self.operation.weight_shape)
        return a, b, stream.ring(self.correction_shape) if correction is None else correction


@dataclass(frozen=True)
class MaskedProduct(Correlation):
    """The client's a, and shares of the product of a and the operation's weight mask b, which the server has since the set-up.

    The server gets (its share,), the client (a, its share).
    """

    operation: Conv | Linear
    input_shape: Shape  # with the batch dimension

    @property
    def correction_shape(self) -> Shape:
        return (self.input_shape[0], *self.operation.shape)

    def deal(self, server: Stream, client: Stream, masks: Mapping[str, Tensor]) -> Tensor:
        product = multiply(self.operation, client.ring(self.input_shape), masks[self.operation.name])
        return product - client.ring(self.correction_shape)

    def expand(self, stream: Stream, correction: Tensor | None) -> tuple[Tensor, ...]:
        if correction is not None:
            return (correction,)
        return stream.ring(self.input_shape), stream.ring(self.correction_shape)
