"""The plain way, to compare with: CrypTen as its users write it, masks and all.

Weights and input are shared and opened for every product, both ways, and a partial ReLU is m * relu(x) + (1 - m) * x, CrypTen's
ReLU on the whole map. Batch norms are folded here too, and the masks are multiplied as integers, which spares the plain way
truncations.
"""

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pi_bench.cost import ZERO, Cost
from pi_bench.model.operations import Conv, Linear, ReLU, Shape, Weights
from pi_bench.protocols.correlations import BilinearTriple, Correlation
from pi_bench.protocols.crypten_relu import relu_correlations, relu_cost
from pi_bench.protocols.fixed_point import encode
from pi_bench.protocols.local_steps import with_share
from pi_bench.protocols.parts import FRAME_BYTES, WORD_BYTES, Context, CryptenStep, Part, Place, Step, dealt_bytes

if TYPE_CHECKING:
    from pi_bench.protocols.crypten_engine import Shares


class OpenedLinear(Part):
    """Conv and Linear as CrypTen's Beaver products of two shared tensors."""

    def cost(self, operation: Conv | Linear, place: Place) -> Cost:
        inputs = place.batch * prod(_padded_shape(operation, place.input_shape))
        sent = FRAME_BYTES + WORD_BYTES * (inputs + prod(operation.weight_shape))
        dealt = dealt_bytes(self.correlations(operation, place))
        return Cost(rounds=1, server_bytes=sent, client_bytes=sent, dealt_bytes=dealt, opened_bytes=0)

    def correlations(self, operation: Conv | Linear, place: Place) -> tuple[Correlation, ...]:
        return (BilinearTriple(_without_padding(operation), (place.batch, *_padded_shape(operation, place.input_shape))),)

    def step(
        self, operation: Conv | Linear, place: Place, context: Context, weights: Weights | None, masked: Tensor | None
    ) -> Step:
        return _LinearStep(operation, context, weights)


def _pads_unevenly(operation: Conv | Linear) -> bool:
    """Such padding CrypTen cannot do within its convolution, so zeros are put around the shares before it."""
    return isinstance(operation, Conv) and operation.padding[:2] != operation.padding[2:]


def _without_padding(operation: Conv | Linear) -> Conv | Linear:
    return replace(operation, padding=(0, 0, 0, 0)) if _pads_unevenly(operation) else operation


def _padded_shape(operation: Conv | Linear, shape: Shape) -> Shape:
    if not _pads_unevenly(operation):
        return shape
    top, left, bottom, right = operation.padding
    return shape[0], shape[1] + top + bottom, shape[2] + left + right


class _LinearStep(CryptenStep):
    def __init__(self, operation: Conv | Linear, context: Context, weights: Weights | None):
        from pi_bench.protocols.crypten_engine import SERVER, Shares

        super().__init__(context)
        self._operation = operation
        weight = None if weights is None else torch.from_numpy(weights.weight)
        self._weight = Shares(weight, size=operation.weight_shape, src=SERVER)
        self._bias = None
        if weights is not None and weights.bias is not None:
            self._bias = encode(weights.bias, context.precision_bits)

    def run(self, x: "Shares") -> "Shares":
        result = self._product(x)
        return result if self._bias is None else with_share(result, result.share + self._bias)

    def _product(self, x: "Shares") -> "Shares":
        if isinstance(self._operation, Linear):
            return x.matmul(self._weight.t())
        top, left, bottom, right = self._operation.padding
        conv = {"stride": self._operation.stride, "dilation": self._operation.dilation, "groups": self._operation.groups}
        if _pads_unevenly(self._operation):
            return x.pad((left, right, top, bottom)).conv2d(self._weight, **conv)
        return x.conv2d(self._weight, padding=(top, left), **conv)


class WholeReLU(Part):
    """CrypTen's ReLU on every element, multiplied by the mask; a layer that keeps nothing is left out."""

    def cost(self, operation: ReLU, place: Place) -> Cost:
        correlations = self.correlations(operation, place)
        return relu_cost(operation.size * place.batch, correlations) if correlations else ZERO

    def correlations(self, operation: ReLU, place: Place) -> tuple[Correlation, ...]:
        return relu_correlations(place.batch_shape) if operation.kept else ()

    def step(self, operation: ReLU, place: Place, context: Context, weights: Weights | None, masked: Tensor | None) -> Step:
        return _ReLUStep(operation, context)


class _ReLUStep(CryptenStep):
    def __init__(self, operation: ReLU, context: Context):
        super().__init__(context)
        self._kept = operation.kept
        self._keeps = None if operation.kept == operation.size else torch.from_numpy(operation.mask).long()

    def run(self, x: "Shares") -> "Shares":
        from pi_bench.protocols.crypten_engine import MPCTensor

        if not self._kept:
            return x
        relu = MPCTensor.from_shares(x.share).relu()
        if self._keeps is None:
            return with_share(x, relu.share)
        return with_share(x, self._keeps * relu.share + (1 - self._keeps) * x.share)
