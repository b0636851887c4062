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
from pi_bench.protocols.dealing.masked_product import WeightMask
from pi_bench.protocols.layer import Layer, frame_bytes
from pi_bench.protocols.part import Context, Part
from pi_bench.protocols.shares.fixed_point import encode


class MaskedWeights(Part):
    """A part whose weights are opened once."""

    def dealt_once(self, layer: Layer) -> Sequence[Correlation]:
        return (WeightMask(layer.operation),)

    def messages(self, layer: Layer) -> list[Message]:
        return [Message("setup", "server", "client", frame_bytes(prod(layer.operation.weight_shape)))]


def open_to_client(weights: Weights, once: Tensors, context: Context) -> Tensor:
    """The server's side; returns the encoded weights."""
    (mask,) = once
    encoded = encode(weights.weight, context.settings.precision_bits)
    context.peer.send([encoded - mask])
    return encoded


def opened_by_server(layer: Layer, context: Context) -> Tensor:
    """The client's side: the weights minus their mask."""
    opened = torch.empty(layer.operation.weight_shape, dtype=torch.int64)
    context.peer.receive([opened])
    return opened
