"""Operations that each party does on its own share alone: no messages, the same in every protocol."""

from math import prod

import numpy as np
from torch import Tensor

from pi_bench.cost import Message
from pi_bench.model.operations import AveragePool, Bias, ReLU, Weights
from pi_bench.model.walk import Inputs
from pi_bench.protocols.dealing.correlation import Deal, Tensors
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.layer import Held, Layer
from pi_bench.protocols.part import Context, Outputs, Part, Step, Truncation
from pi_bench.protocols.shares.audit import Notes
from pi_bench.protocols.shares.share import Share, local_bits, locally, with_constant


class Local(Part):
    """Sums, moves, pools, and the server's constants."""

    def messages(self, layer: Layer) -> list[Message]:
        return []

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        return _Step(layer, context, None if weights is None else weights.bias)

    def deal(
        self, layer: Layer, server: Stream, client: Stream, once: Tensor | None, inputs: Inputs
    ) -> tuple[list[Deal], Outputs]:
        return [], [_applied(layer, inputs[0], None)]

    def truncations(self, layer: Layer) -> list[Truncation]:
        """Of a pool: of its input, if need be, and of the sums that it divides. Nothing else truncates."""
        pool = layer.operation
        if not isinstance(pool, AveragePool):
            return []
        sums = Truncation(pool.name, pool.size, layer.settings.precision_bits, prod(pool.kernel))
        return [*super().truncations(layer), sums]

    def held(self, layer: Layer) -> list[Held]:
        (inputs,) = layer.inputs
        bits = local_bits(layer.operation, [held.bits for held in inputs], layer.settings.precision_bits)
        return [Held(layer.operation.shape, bits, all(held.mask_is_dealt for held in inputs))]


def _applied(layer: Layer, inputs: tuple[Share | None, ...], notes: Notes | None) -> Share | None:
    """The operation on a party's shares, all of which it has in the same phase."""
    if any(share is None for share in inputs):
        return None
    if isinstance(layer.operation, Bias | ReLU):  # the constant is one party's; a ReLU that keeps nothing is the identity
        return inputs[0]
    return locally(layer.operation, inputs, layer.input.shape, layer.settings.precision_bits, notes)


class _Step(Step):
    def __init__(self, layer: Layer, context: Context, constant: np.ndarray | None):
        self._layer = layer
        self._context = context
        self._constant = constant

    def offline(self, dealt: tuple[Tensors, ...], inputs: Inputs) -> tuple[Outputs, None]:
        return self.online(None, inputs), None

    def online(self, material: None, inputs: Inputs) -> Outputs:
        share = _applied(self._layer, inputs[0], self._context.notes)
        return [share if share is None or self._constant is None else with_constant(share, self._constant)]
