r"""Linear operations on additive shares, with weights that are opened once for a model, masked.

The server knows the weights w, so they need no sharing. With * the operation's product:

    once for a model     1. the dealer deals the server a mask b; the server sends w - b; the client keeps it
    before the input     2. the dealer deals the client a, and both shares c_0 + c_1 = a * b
                         3. the client computes its share of the result, y_1 = a * (w - b) + c_1
    online               4. the client sends x_1 - a, its share of the input, masked
                         5. the server computes y_0 = w * (x_0 + (x_1 - a)) + c_0 + bias
                         6. both truncate their share

y_0 + y_1 = w * x + bias. Online that is one opening, one way, and one convolution at the server; CrypTen opens input and
weights each time, both ways, and computes three at both. The client sees w - b with b uniform; the server sees x_1 - a with a
uniform.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from pi_bench.cost import Message
from pi_bench.model.walk import Inputs
from pi_bench.protocols.dealing.correlation import Correlation, Deal, Tensors
from pi_bench.protocols.dealing.products import MaskedProduct
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.layer import Layer, frame_bytes
from pi_bench.protocols.masked_weights import ClientProduct, MaskedWeights, ServerProduct
from pi_bench.protocols.part import Outputs, Truncation
from pi_bench.protocols.shares.share import Share, room_like


class _ServerStep(ServerProduct):
    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, Tensor]:
        ((share,),) = dealt
        return [None], self._with_bias(share)

    def online(self, material: Tensor, inputs: Inputs) -> Outputs:
        ((x,),) = inputs
        opened = room_like(x)
        self._context.peer.receive([opened])  # 4.
        return [self._product(opened.add_(x.words), material).at(self._bits, self._context.notes)]  # 5., 6.


class _ClientStep(ClientProduct):
    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, tuple[Tensor, Share]]:
        ((mask, share),) = dealt
        return [None], (mask, self._product(mask, share))  # 3.

    def online(self, material: tuple[Tensor, Share], inputs: Inputs) -> Outputs:
        ((x,),) = inputs
        mask, share = material
        self._context.peer.send([torch.sub(x.words, mask, out=mask)])  # 4.
        return [share.at(self._bits, self._context.notes)]  # 6.


class MaskedLinear(MaskedWeights):
    """Conv and Linear with the server's plain weights and the client's precomputed share."""

    server, client = _ServerStep, _ClientStep

    def messages(self, layer: Layer) -> list[Message]:
        return [*super().messages(layer), Message("online", "client", "server", frame_bytes(prod(layer.input_shape)))]

    def dealt(self, layer: Layer) -> Sequence[Correlation]:
        return (MaskedProduct(layer.operation, layer.input_shape),)

    def deal(
        self, layer: Layer, server: Stream, client: Stream, once: Tensor | None, inputs: Inputs
    ) -> tuple[list[Deal], Outputs]:
        return [correlation.deal(server, client, once) for correlation in self.dealt(layer)], [None]

    def truncations(self, layer: Layer) -> list[Truncation]:
        return [Truncation(layer.operation.name, layer.operation.size, 2 * layer.settings.precision_bits)]
