"""The input on additive shares: the server's share is expanded from a key that client and server have, so nothing is sent."""

from pi_bench.cost import Message
from pi_bench.model.operations import Weights
from pi_bench.model.walk import Inputs
from pi_bench.protocols.crypten.relu import start
from pi_bench.protocols.dealing.correlation import Tensors
from pi_bench.protocols.dealing.randomness import KEY_BYTES, Stream, fresh_key
from pi_bench.protocols.layer import WORD_BYTES, Layer, frame_bytes
from pi_bench.protocols.part import Context, Outputs, Part, Step
from pi_bench.protocols.shares.fixed_point import encode
from pi_bench.protocols.shares.share import Share


class CommonInput(Part):
    """The first layer, at which both parties start CrypTen too."""

    def messages(self, layer: Layer) -> list[Message]:
        seeds = [Message("setup", *way, frame_bytes(1)) for way in (("server", "client"), ("client", "server"))]
        return [*seeds, Message("setup", "client", "server", frame_bytes(KEY_BYTES // WORD_BYTES))]

    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        return _CommonInput(layer, context)


class _CommonInput(Step):
    def __init__(self, layer: Layer, context: Context):
        self._shape = (layer.settings.batch, *layer.operation.shape)
        self._context = context
        start(context)
        key = fresh_key()
        if context.role == "client":
            context.peer.send([key])
        else:
            context.peer.receive([key])
        self._stream = Stream(key)

    def online(self, material: object, inputs: Inputs) -> Outputs:
        bits, own = self._context.settings.precision_bits, self._stream.ring(self._shape)
        if self._context.role == "client":
            own = encode(self._context.images, bits) - own
        return [Share(own, bits)]
