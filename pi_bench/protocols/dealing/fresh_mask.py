"""A mask of the client's that the dealer knows."""

from dataclasses import dataclass
from typing import Any

from pi_bench.protocols.dealing.correlation import Correlation, Deal, Shape, Tensors
from pi_bench.protocols.dealing.randomness import Stream


@dataclass(frozen=True)
class FreshMask(Correlation):
    """Uniform ring elements for the client; nothing is sent."""

    shape: Shape

    def deal(self, server: Stream, client: Stream, *known: Any) -> Deal:
        return Deal(known=client.ring(self.shape))

    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        return ()

    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        return (stream.ring(self.shape),)
