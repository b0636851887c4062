"""The output, for the client: the server sends its share, and the client adds its own, whichever phase it got it in."""

import torch
from torch import Tensor

from pi_bench.cost import Message
from pi_bench.model.operations import Weights
from pi_bench.model.walk import Inputs
from pi_bench.protocols.dealing.correlation import Tensors
from pi_bench.protocols.layer import Layer, frame_bytes
from pi_bench.protocols.part import Context, Outputs, Part, Step
from pi_bench.protocols.shares.share import Share


class Revealed(Part):
    """The last layer of every protocol."""

    def messages(self, layer: Layer) -> list[Message]:
        return [Message("online", "server", "client", frame_bytes(layer.output_words))]

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        return (_Reveal if context.role == "server" else _Learn)(layer, context)


class _Reveal(Step):
    """The server's side."""

    def __init__(self, layer: Layer, context: Context):
        self._context = context

    def online(self, material: object, inputs: Inputs) -> Outputs:
        ((share,),) = inputs
        self._context.peer.send([_last(share, self._context).contiguous()])
        return [None]


class _Learn(Step):
    """The client's side."""

    def __init__(self, layer: Layer, context: Context):
        self._shape = (layer.settings.batch, *layer.operation.shape)
        self._context = context

    def offline(self, dealt: object, inputs: Inputs) -> tuple[Outputs, Tensor | None]:
        ((share,),) = inputs
        return [None], None if share is None else _last(share, self._context)

    def online(self, material: Tensor | None, inputs: Inputs) -> Outputs:
        ((share,),) = inputs
        own = material if share is None else _last(share, self._context)
        servers = torch.empty(self._shape, dtype=torch.int64)
        self._context.peer.receive([servers])
        return [Share(servers + own, self._context.settings.precision_bits)]


def _last(share: Share, context: Context) -> Tensor:
    return share.at(context.settings.precision_bits, context.notes).words
