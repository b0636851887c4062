"""The input: the client sends its images, masked. The mask is dealt, so that the first product needs no other."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from pi_bench.cost import Message
from pi_bench.model.operations import Shape, Weights
from pi_bench.model.walk import Inputs
from pi_bench.protocols.dealing.correlation import Correlation, Deal, Tensors
from pi_bench.protocols.dealing.fresh_mask import FreshMask
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.layer import Held, Layer, frame_bytes
from pi_bench.protocols.part import Context, Outputs, Part, Step
from pi_bench.protocols.shares.fixed_point import encode
from pi_bench.protocols.shares.share import Share


class MaskedInput(Part):
    """Offline the client's m; online x - m to the server."""

    def messages(self, layer: Layer) -> list[Message]:
        return [Message("online", "client", "server", frame_bytes(prod(_shape(layer))))]

    def dealt(self, layer: Layer) -> Sequence[Correlation]:
        return (FreshMask(_shape(layer)),)

    def deal(
        self, layer: Layer, server: Stream, client: Stream, once: Tensor | None, inputs: Inputs
    ) -> tuple[list[Deal], Outputs]:
        deals = [correlation.deal(server, client) for correlation in self.dealt(layer)]
        return deals, [Share(deal.known, layer.settings.precision_bits) for deal in deals]

    def held(self, layer: Layer) -> list[Held]:
        return [Held(layer.operation.shape, layer.settings.precision_bits, mask_is_dealt=True)]

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        return (_ServerStep if context.role == "server" else _ClientStep)(layer, context)


def _shape(layer: Layer) -> Shape:
    return (layer.settings.batch, *layer.operation.shape)


class _ServerStep(Step):
    def __init__(self, layer: Layer, context: Context):
        self._shape = _shape(layer)
        self._context = context

    def online(self, material: object, inputs: Inputs) -> Outputs:
        masked = torch.empty(self._shape, dtype=torch.int64)
        self._context.peer.receive([masked])
        return [Share(masked, self._context.settings.precision_bits)]


class _ClientStep(Step):
    def __init__(self, layer: Layer, context: Context):
        self._context = context

    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, Tensor]:
        ((mask,),) = dealt
        return [Share(mask, self._context.settings.precision_bits)], mask

    def online(self, material: Tensor, inputs: Inputs) -> Outputs:
        images = encode(self._context.images, self._context.settings.precision_bits)
        self._context.peer.send([images.sub_(material).contiguous()])
        return [None]
