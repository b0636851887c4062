r"""Linear operations of which the client does its side before its image exists.

With w the weights, b their mask (see masked_weights.py), * the operation's product, the input held as v - m and m:

    offline   1. the dealer deals the client a, and both shares c_0 + c_1 = a * b; where it has dealt m itself, a is m
              2. the client sends delta = m - a, which hides m; nothing where a is m
              3. the client's mask of the result is a * (w - b) + c_1
    online    4. the server computes w * ((v - m) + delta) + c_0 + bias

The sum of both is w * v + bias, with twice the fractional bits. It is truncated where it is used: in the ReLU, exactly, or by
each party alone.
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
from pi_bench.protocols.layer import Held, Layer, frame_bytes
from pi_bench.protocols.masked_weights import ClientProduct, MaskedWeights, ServerProduct
from pi_bench.protocols.part import Outputs


class _ServerStep(ServerProduct):
    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, tuple[Tensor | None, Tensor]]:
        ((share,),) = dealt
        delta = None
        if not self._layer.input.mask_is_dealt:  # 2.
            delta = torch.empty(self._layer.input_shape, dtype=torch.int64)
            self._context.peer.receive([delta])
        return [None], (delta, self._with_bias(share))

    def online(self, material: tuple[Tensor | None, Tensor], inputs: Inputs) -> Outputs:
        ((x,),) = inputs
        delta, share = material
        masked = x.at(self._bits, self._context.notes).words
        return [self._product(masked if delta is None else delta.add_(masked), share)]  # 4.


class _ClientStep(ClientProduct):
    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, None]:
        ((*fresh, share),) = dealt
        ((mask,),) = inputs
        own = mask.at(self._bits, self._context.notes).words
        if fresh:
            self._context.peer.send([own - fresh[0]])  # 2.
        return [self._product(fresh[0] if fresh else own, share)], None  # 3.

    def online(self, material: None, inputs: Inputs) -> Outputs:
        return [None]


class OfflineLinear(MaskedWeights):
    """Conv and Linear that send nothing online."""

    server, client = _ServerStep, _ClientStep

    def messages(self, layer: Layer) -> list[Message]:
        delta = Message("offline", "client", "server", frame_bytes(prod(layer.input_shape)))
        return [*super().messages(layer), *([] if layer.input.mask_is_dealt else [delta])]

    def dealt(self, layer: Layer) -> Sequence[Correlation]:
        return (MaskedProduct(layer.operation, layer.input_shape, layer.input.mask_is_dealt),)

    def deal(
        self, layer: Layer, server: Stream, client: Stream, once: Tensor | None, inputs: Inputs
    ) -> tuple[list[Deal], Outputs]:
        known = [once]
        if layer.input.mask_is_dealt:
            ((mask,),) = inputs
            known.append(mask.at(layer.settings.precision_bits).words)
        return [correlation.deal(server, client, *known) for correlation in self.dealt(layer)], [None]

    def held(self, layer: Layer) -> list[Held]:
        return [Held(layer.operation.shape, 2 * layer.settings.precision_bits)]
