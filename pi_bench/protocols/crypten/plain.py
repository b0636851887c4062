"""The plain way, to compare with: CrypTen as its users write it, masks and all.

Weights and input are shared and opened for every product, both ways, and a partial ReLU is m * relu(x) + (1 - m) * x, CrypTen's
ReLU on the whole map. Batch norms are folded here too, and the masks are multiplied as integers, which spares the plain way
truncations.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import torch

from pi_bench.cost import Message
from pi_bench.model.operations import Conv, Linear, Shape, Weights
from pi_bench.model.walk import Inputs
from pi_bench.protocols.crypten.relu import CryptenStep, exchanges, relu_correlations
from pi_bench.protocols.dealing.correlation import Correlation, Tensors
from pi_bench.protocols.dealing.products import BilinearTriple
from pi_bench.protocols.layer import Layer, frame_bytes
from pi_bench.protocols.part import Context, Outputs, Part, Step, Truncation
from pi_bench.protocols.shares.fixed_point import encode
from pi_bench.protocols.shares.share import Share

if TYPE_CHECKING:
    from crypten.mpc.primitives import ArithmeticSharedTensor


class OpenedLinear(Part):
    """Conv and Linear as CrypTen's Beaver products of two shared tensors."""

    def messages(self, layer: Layer) -> list[Message]:
        sent = frame_bytes(prod(_padded_shape(layer)) + prod(layer.operation.weight_shape))
        return [Message("online", "server", "client", sent), Message("online", "client", "server", sent, crosses=True)]

    def dealt(self, layer: Layer) -> Sequence[Correlation]:
        return (BilinearTriple(_without_padding(layer.operation), _padded_shape(layer)),)

    def truncations(self, layer: Layer) -> list[Truncation]:
        return [Truncation(layer.operation.name, layer.operation.size, 2 * layer.settings.precision_bits)]

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        return _LinearStep(layer, self.dealt(layer), context, weights)


def _pads_unevenly(operation: Conv | Linear) -> bool:
    """Such padding CrypTen cannot do within its convolution, so zeros are put around the shares before it."""
    return isinstance(operation, Conv) and operation.padding[:2] != operation.padding[2:]


def _without_padding(operation: Conv | Linear) -> Conv | Linear:
    return replace(operation, padding=(0, 0, 0, 0)) if _pads_unevenly(operation) else operation


def _padded_shape(layer: Layer) -> Shape:
    if not _pads_unevenly(layer.operation):
        return layer.input_shape
    top, left, bottom, right = layer.operation.padding
    batch, channels, height, width = layer.input_shape
    return batch, channels, height + top + bottom, width + left + right


class _LinearStep(CryptenStep):
    """Shares are handed over as whole numbers, so that the product comes back before its truncation, which is ours to note."""

    def __init__(self, layer: Layer, correlations: Sequence[Correlation], context: Context, weights: Weights | None):
        super().__init__(correlations, context)
        self._operation = layer.operation
        self._context = context
        self._bits = context.settings.precision_bits
        encoded = None if weights is None else encode(weights.weight, self._bits)
        self._weight = self._engine.shared_by_server(encoded, layer.operation.weight_shape)
        self._bias = None if weights is None or weights.bias is None else encode(weights.bias, self._bits)

    def online(self, material: list[tuple[Correlation, Tensors]], inputs: Inputs) -> Outputs:
        ((x,),) = inputs
        self._engine.fill(material)
        result = Share(self._product(self._engine.whole(x.words)).share, 2 * self._bits).at(self._bits, self._context.notes)
        return [result if self._bias is None else Share(result.words + self._bias, self._bits)]

    def _product(self, x: "ArithmeticSharedTensor") -> "ArithmeticSharedTensor":
        if isinstance(self._operation, Linear):
            return x.matmul(self._weight.t())
        top, left, bottom, right = self._operation.padding
        conv = {"stride": self._operation.stride, "dilation": self._operation.dilation, "groups": self._operation.groups}
        if _pads_unevenly(self._operation):
            return x.pad((left, right, top, bottom)).conv2d(self._weight, **conv)
        return x.conv2d(self._weight, padding=(top, left), **conv)


class WholeReLU(Part):
    """CrypTen's ReLU on every element, multiplied by the mask."""

    def messages(self, layer: Layer) -> list[Message]:
        return exchanges(layer.output_words)

    def dealt(self, layer: Layer) -> Sequence[Correlation]:
        return relu_correlations((layer.settings.batch, *layer.operation.shape))

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        return _ReLUStep(layer, self.dealt(layer), context)


class _ReLUStep(CryptenStep):
    def __init__(self, layer: Layer, correlations: Sequence[Correlation], context: Context):
        super().__init__(correlations, context)
        relu = layer.operation
        self._keeps = None if relu.kept == relu.size else torch.from_numpy(relu.mask).long()

    def online(self, material: list[tuple[Correlation, Tensors]], inputs: Inputs) -> Outputs:
        ((x,),) = inputs
        self._engine.fill(material)
        relu = self._engine.relu(x.words)
        return [Share(relu if self._keeps is None else self._keeps * relu + (1 - self._keeps) * x.words, x.bits)]
