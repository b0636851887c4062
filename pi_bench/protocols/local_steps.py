"""Operations that each party does on its own share alone: no rounds, no bytes, the same in every protocol."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from pi_bench.operations import Addition, AveragePool, Bias, Concat, Operation, Pad, Reshape, Weights
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

    def __init__(self, operation: AveragePool):
        self._operation = operation
        self._divisor = self._counts()

    def _sum(self, x: Tensor) -> Tensor:
        (kernel_h, kernel_w), (stride_h, stride_w) = self._operation.kernel, self._operation.stride
        top, left, bottom, right = self._operation.padding
        padded = functional.pad(x, (left, right, top, bottom))
        return padded.unfold(-2, kernel_h, stride_h).unfold(-2, kernel_w, stride_w).sum((-2, -1))

    def _counts(self) -> int | Tensor:
        kernel_h, kernel_w = self._operation.kernel
        if self._operation.count_padding or not any(self._operation.padding):
            return kernel_h * kernel_w
        _, out_h, out_w = self._operation.shape
        top, left, bottom, right = self._operation.padding
        height = (out_h - 1) * self._operation.stride[0] + kernel_h - top - bottom
        width = (out_w - 1) * self._operation.stride[1] + kernel_w - left - right
        return self._sum(torch.ones(1, 1, height, width, dtype=torch.int64))

    def run(self, x: "Shares") -> "Shares":
        return with_share(x, self._sum(x.share)).div(self._divisor)


class ZeroPad(Step):
    def __init__(self, operation: Pad):
        top, left, bottom, right = operation.padding
        self._padding = (left, right, top, bottom)

    def run(self, x: "Shares") -> "Shares":
        return with_share(x, functional.pad(x.share, self._padding))


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


def local_step(operation: Operation, context: Context, weights: Weights | None) -> Step:
    """The step of an operation that needs no other party."""
    if isinstance(operation, Addition):
        return Add()
    if isinstance(operation, Bias):
        return AddBias(weights, context)
    simple = {AveragePool: Pool, Pad: ZeroPad, Concat: Join, Reshape: InShape}
    return simple[type(operation)](operation)
