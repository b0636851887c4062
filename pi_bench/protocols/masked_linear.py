r"""Linear operations with weights that are opened once per model, masked.

The server knows the weights w, so they need no sharing. With * the operation's product:

    once per model       1. the dealer deals the server a mask b; the server sends w - b; the client keeps it
    before the input     2. the dealer deals the client a, and both shares c_0 + c_1 = a * b
                         3. the client computes its share of the result, y_1 = a * (w - b) + c_1
    online               4. the client sends x_1 - a, its share of the input, masked
                         5. the server computes y_0 = w * (x_0 + (x_1 - a)) + c_0 + bias
                         6. both truncate their share

y_0 + y_1 = w * x + bias. Online that is one opening, one way, and one convolution at the server; CrypTen opens input and
weights each time, both ways, and computes three at both. The client sees w - b with b uniform; the server sees x_1 - a with a
uniform.
"""

from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pi_bench.cost import Cost
from pi_bench.model.operations import Conv, Linear, Weights
from pi_bench.protocols.correlations import Correlation, MaskedProduct
from pi_bench.protocols.fixed_point import encode
from pi_bench.protocols.local_steps import with_share
from pi_bench.protocols.parts import FRAME_BYTES, WORD_BYTES, Context, Part, Place, Step, dealt_bytes
from pi_bench.protocols.ring import SmallWeight, multiply

if TYPE_CHECKING:
    from pi_bench.protocols.crypten_engine import Shares


class MaskedLinear(Part):
    """Conv and Linear with the server's plain weights and the client's precomputed share."""

    opens_weights_once = True

    def cost(self, operation: Conv | Linear, place: Place) -> Cost:
        sent = FRAME_BYTES + WORD_BYTES * prod(place.batch_shape)
        return Cost(
            rounds=0 if place.client_sent_last else 1,
            server_bytes=0,
            client_bytes=sent,
            dealt_bytes=dealt_bytes(self.correlations(operation, place)),
            opened_bytes=FRAME_BYTES + WORD_BYTES * prod(operation.weight_shape),
        )

    def correlations(self, operation: Conv | Linear, place: Place) -> tuple[Correlation, ...]:
        return (MaskedProduct(operation, place.batch_shape),)

    def step(
        self, operation: Conv | Linear, place: Place, context: Context, weights: Weights | None, masked: Tensor | None
    ) -> Step:
        if weights is None:
            return _ClientStep(operation, context, masked)
        return _ServerStep(operation, context, weights)


class _ServerStep(Step):
    def __init__(self, operation: Conv | Linear, context: Context, weights: Weights):
        self._context = context
        self._weight = SmallWeight(operation, encode(weights.weight, context.precision_bits))
        self._bias = None if weights.bias is None else encode(weights.bias, 2 * context.precision_bits)
        self._share: Tensor | None = None

    def prepare(self, dealt: list[tuple[Correlation, tuple[Tensor, ...]]]) -> None:
        ((_, (share,)),) = dealt
        self._share = share if self._bias is None else share.add_(self._bias)

    def run(self, x: "Shares") -> "Shares":
        share, self._share = self._share, None  # for this inference only
        opened = torch.empty_like(x.share, memory_format=torch.contiguous_format)
        self._context.channel.receive([opened])
        result = with_share(x, self._weight.times(opened.add_(x.share)).add_(share))
        return result.div_(2**self._context.precision_bits)


class _ClientStep(Step):
    def __init__(self, operation: Conv | Linear, context: Context, masked_weight: Tensor):
        self._operation = operation
        self._context = context
        self._masked_weight = masked_weight
        self._mask: Tensor | None = None
        self._share: Tensor | None = None

    def prepare(self, dealt: list[tuple[Correlation, tuple[Tensor, ...]]]) -> None:
        ((_, (mask, share)),) = dealt
        self._mask = mask
        self._share = multiply(self._operation, mask, self._masked_weight).add_(share)

    def run(self, x: "Shares") -> "Shares":
        mask, share, self._mask, self._share = self._mask, self._share, None, None  # used once, or it would not hide
        self._context.channel.send([torch.sub(x.share, mask, out=mask)])
        result = with_share(x, share)
        return result.div_(2**self._context.precision_bits)
