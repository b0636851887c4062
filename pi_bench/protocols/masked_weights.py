"""Weights that are opened once for a model, masked: what parts that multiply by the server's weights have in common.

The dealer deals the server a mask b; the server sends w - b; the client keeps it. The client sees w - b with b uniform.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from pi_bench.cost import Message
from pi_bench.model.operations import Weights
from pi_bench.protocols.dealing.correlation import Correlation, Tensors
from pi_bench.protocols.dealing.products import WeightMask
from pi_bench.protocols.layer import Layer, frame_bytes
from pi_bench.protocols.part import Context, Part, Step
from pi_bench.protocols.shares.fixed_point import encode
from pi_bench.protocols.shares.products import SmallWeight, multiply
from pi_bench.protocols.shares.share import Share


class MaskedWeights(Part):
    """A part whose weights are opened once. server, client: its steps."""

    server: "type[ServerProduct]"
    client: "type[ClientProduct]"

    def dealt_once(self, layer: Layer) -> Sequence[Correlation]:
        return (WeightMask(layer.operation),)

    def messages(self, layer: Layer) -> list[Message]:
        return [Message("setup", "server", "client", frame_bytes(prod(layer.operation.weight_shape)))]

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        if weights is None:
            return self.client(layer, context)
        return self.server(layer, context, weights, once)


class ServerProduct(Step):
    """The server's side: opens w - b, and multiplies by w."""

    def __init__(self, layer: Layer, context: Context, weights: Weights, once: Tensors):
        (mask,) = once
        self._layer = layer
        self._context = context
        self._bits = context.settings.precision_bits
        encoded = encode(weights.weight, self._bits)
        context.peer.send([encoded - mask])
        self._weight = SmallWeight(layer.operation, encoded)
        self._bias = None if weights.bias is None else encode(weights.bias, 2 * self._bits)

    def _with_bias(self, share: Tensor) -> Tensor:
        """A dealt share and the bias, both of which the product needs."""
        return share if self._bias is None else share.add_(self._bias)

    def _product(self, x: Tensor, share: Tensor) -> Share:
        """w * x + share, with twice the fractional bits."""
        return Share(self._weight.times(x).add_(share), 2 * self._bits)


class ClientProduct(Step):
    """The client's side: keeps w - b, and multiplies masks by it."""

    def __init__(self, layer: Layer, context: Context):
        self._layer = layer
        self._context = context
        self._bits = context.settings.precision_bits
        self._masked_weight = torch.empty(layer.operation.weight_shape, dtype=torch.int64)
        context.peer.receive([self._masked_weight])

    def _product(self, a: Tensor, share: Tensor) -> Share:
        """(w - b) * a + share, with twice the fractional bits."""
        return Share(multiply(self._layer.operation, a, self._masked_weight).add_(share), 2 * self._bits)
