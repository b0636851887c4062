"""Triples element by element, and random bits: what CrypTen's comparison uses up. The server gets what has to fit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from pi_bench.protocols.dealing.correlation import Correlation, Deal, Shape, Tensors
from pi_bench.protocols.dealing.randomness import Stream

Operator = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class _ElementTriple(Correlation):
    """Shares of a, b and their product, element by element, in a ring that the sub-classes choose."""

    add: ClassVar[Operator]
    subtract: ClassVar[Operator]
    multiply: ClassVar[Operator]

    shape: Shape

    @property
    def server_shapes(self) -> tuple[Shape, ...]:
        return (self.shape,)

    def deal(self, server: Stream, client: Stream, *known: Any) -> Deal:
        a, b = (self.add(server.ring(self.shape), client.ring(self.shape)) for _ in range(2))
        return Deal((self.subtract(self.multiply(a, b), client.ring(self.shape)),))

    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        return stream.ring(self.shape), stream.ring(self.shape), *sent

    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        return tuple(stream.ring(self.shape) for _ in range(3))


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
    def server_shapes(self) -> tuple[Shape, ...]:
        return (self.shape,)

    def deal(self, server: Stream, client: Stream, *known: Any) -> Deal:
        bit = server.bits(self.shape) ^ client.bits(self.shape)
        return Deal((bit - client.ring(self.shape),))

    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        return *sent, stream.bits(self.shape)

    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        xor = stream.bits(self.shape)
        return stream.ring(self.shape), xor
