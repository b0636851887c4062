"""The dealer: knows the architecture, neither weights nor images; deals layer by layer, never holding an inference whole."""

from collections.abc import Callable, Sequence

from torch import Tensor

from pi_bench.model.operations import Architecture
from pi_bench.model.walk import Inputs, walk
from pi_bench.protocols.dealing.correlation import Deal
from pi_bench.protocols.dealing.randomness import Stream, fresh_key
from pi_bench.protocols.layer import Layer
from pi_bench.protocols.part import Outputs
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.protocols.settings import Settings
from pi_bench.wire.channel import Channel


class Dealer:
    """Deals correlated randomness to both parties."""

    def __init__(self, architecture: Architecture, settings: Settings, server: Channel, client: Channel):
        """Sends a key to each party, and deals what is needed once for a model."""
        self._protocol = PROTOCOLS[settings.protocol]
        self._layers = self._protocol.layers(architecture, settings)
        self._server, self._client = server, client
        keys = fresh_key(), fresh_key()
        for channel, key in zip((server, client), keys, strict=True):
            channel.send([key])
        self._streams = tuple(Stream(key) for key in keys)
        self._once = {layer.name: self._deal_once(layer) for layer in self._layers}

    def _deal_once(self, layer: Layer) -> Tensor | None:
        deals = [correlation.deal(*self._streams) for correlation in self._protocol.part(layer.operations[0]).dealt_once(layer)]
        self._send(deals)
        return deals[0].known if deals else None

    def deal(self, mark: Callable[[str], None] = lambda _: None) -> None:
        """Deals what one inference needs. `mark` is called with the name of each layer as soon as it is dealt."""
        for layer, _ in walk(self._layers, {}, self._deal):
            mark(layer.name)

    def _deal(self, layer: Layer, inputs: Inputs) -> Outputs:
        part = self._protocol.part(layer.operations[0])
        deals, outputs = part.deal(layer, *self._streams, self._once[layer.name], inputs)
        self._send(deals)
        return outputs

    def _send(self, deals: Sequence[Deal]) -> None:
        """One frame to each party that gets anything."""
        for channel, party in ((self._client, "client"), (self._server, "server")):
            if words := [tensor for deal in deals for tensor in getattr(deal, party)]:
                channel.send(words)
