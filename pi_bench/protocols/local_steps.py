"""Operations that each party does on its own share alone: no rounds, no bytes, the same in every protocol."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from pi_bench.model.operations import Addition, AveragePool, Bias, Concat, Operation, Pad, Reshape, Shape, Slice, Weights
from pi_bench.protocols.fixed_point import encode
from pi_bench.protocols.parts import Context, Step

if TYPE_CHECKING:
    from pi_bench.protocols.crypten_engine import Shares


class Add(Step):
    def run(self, x: "Shares", y: "Shares") -> "Shares":
        return x + y


class AddBias(Step):
    """The server adds its constant to its share."""

    def __init__(self, weights: Weights | None, context: Context):
        self._bias = None if weights is None else encode(weights.bias, context.precision_bits)

    def run(self, x: "Shares") -> "Shares":
        return x if self._bias is None else with_share(x, x.share + self._bias)


class Pool(Step):
    """Sums over windows, divided by a public count: a local truncation."""

    def __init__(self, operation: AveragePool, input_shape: Shape):
        self._operation = operation
        counts = self._sum(torch.ones(1, *input_shape, dtype=torch.int64))
        self._divisor = math.prod(operation.kernel) if operation.count_padding else counts

    def _sum(self, x: Tensor) -> Tensor:
        (kernel_h, kernel_w), (stride_h, stride_w) = self._operation.kernel, self._operation.stride
        top, left, bottom, right = self._operation.padding
        padded = functional.pad(x, (left, right, top, bottom))
        return padded.unfold(-2, kernel_h, stride_h).unfold(-2, kernel_w, stride_w).sum((-2, -1))

    def run(self, x: "Shares") -> "Shares":
        return with_share(x, self._sum(x.share)).div(self._divisor)


class ZeroPad(Step):
    def __init__(self, operation: Pad):
        front, top, left, back, bottom, right = operation.padding
        self._padding = (left, right, top, bottom, front, back)

    def run(self, x: "Shares") -> "Shares":
        return with_share(x, functional.pad(x.share, self._padding))


class Part(Step):
    def __init__(self, operation: Slice):
        self._region = operation.region

    def run(self, x: "Shares") -> "Shares":
        return with_share(x, x.share[self._region])


class Join(Step):
    def __init__(self, operation: Concat):
        self._axis = operation.axis + 1

    def run(self, *inputs: "Shares") -> "Shares":
        return with_share(inputs[0], torch.cat([x.share for x in inputs], self._axis))


class InShape(Step):
    def __init__(self, operation: Reshape):
        self._shape = operation.shape

    def run(self, x: "Shares") -> "Shares":
        return with_share(x, x.share.reshape(len(x.share), *self._shape))


def with_share(x: "Shares", share: Tensor) -> "Shares":
    """A sharing with x's encoding."""
    result = x.shallow_copy()
    result.share = share
    return result


def local_step(operation: Operation, input_shape: Shape, context: Context, weights: Weights | None) -> Step:
    """The step of an operation that needs no other party."""
    match operation:
        case Addition():
            return Add()
        case Bias():
            return AddBias(weights, context)
        case AveragePool():
            return Pool(operation, input_shape)
        case Pad():
            return ZeroPad(operation)
        case Slice():
            return Part(operation)
        case Concat():
            return Join(operation)
        case Reshape():
            return InShape(operation)
    raise ValueError(f"{operation.name}: {operation.op} cannot be done on shares")
