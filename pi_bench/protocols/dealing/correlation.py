"""Correlated randomness: what the dealer computes, and what each of the two parties makes of it.

Each party shares a key with the dealer and expands from it what can be chosen freely. What has to fit the rest is sent (Beaver
1991; the compression is that of CrypTen's trusted third party). The dealer and the parties call these functions in the same
order, which the architecture fixes.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor

from pi_bench.protocols.dealing.randomness import Stream

Shape = tuple[int, ...]
Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class Deal:
    """What the dealer sends: int64 tensors to the server, to the client. known: what it keeps for later correlations."""

    server: Tensors = ()
    client: Tensors = ()
    known: Tensor | None = None


class Correlation(ABC):
    """Correlated randomness for one step of a protocol. server_shapes, client_shapes: of what the dealer sends."""

    server_shapes: tuple[Shape, ...] = ()
    client_shapes: tuple[Shape, ...] = ()

    @abstractmethod
    def deal(self, server: Stream, client: Stream, *known: Any) -> Deal:
        """The dealer's part, from both parties' streams and what it knows from before."""

    @abstractmethod
    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        """The server's part: what it expands, and what was sent."""

    @abstractmethod
    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        """The client's part."""

    def shapes(self, party: str) -> tuple[Shape, ...]:
        return self.server_shapes if party == "server" else self.client_shapes

    def of(self, party: str, stream: Stream, sent: Tensors) -> Tensors:
        return (self.of_server if party == "server" else self.of_client)(stream, sent)


def sent_words(correlations: Sequence[Correlation], party: str) -> int:
    """How many words the dealer sends to a party for these."""
    return sum(prod(shape) for correlation in correlations for shape in correlation.shapes(party))
