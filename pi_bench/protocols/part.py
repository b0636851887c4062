"""What a protocol is made of: a part for each kind of operation that needs another party.

A `Part` says, from public facts alone, what a layer sends, which correlated randomness it needs and how its outputs are held,
and makes the `Step` with which a party does it. What needs no other party is the same for every protocol (local.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor

from pi_bench.cost import Message
from pi_bench.model.operations import Weights
from pi_bench.model.walk import Inputs
from pi_bench.protocols.dealing.correlation import Correlation, Deal, Tensors
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.layer import Held, Layer
from pi_bench.protocols.settings import Settings
from pi_bench.protocols.shares.audit import Notes
from pi_bench.protocols.shares.share import Share


@dataclass
class Context:
    """What the steps of one party share.

    role: "server" or "client". peer: the channel to the other party. has_dealer: whether there is one. engine: CrypTen in this
    process, started by the first step that needs it. Of the present inference, `images` are the client's, and `notes` are for
    the auditor, if there is one.
    """

    role: str
    peer: Any
    settings: Settings
    has_dealer: bool = True
    engine: Any = None
    images: Tensor | None = None
    notes: Notes | None = None


Outputs = Sequence[Share | None]


class Step(ABC):
    """One party's side of one layer. In each phase a party has a share of a value, or None where it has none in that phase."""

    def offline(self, dealt: Sequence[Tensors], inputs: Inputs) -> tuple[Outputs, Any]:
        """Before the input is known. dealt: the party's part of each correlation.

        Returns the outputs, and what `online` needs of this inference: it is used once.
        """
        return [None] * len(inputs), dealt

    @abstractmethod
    def online(self, material: Any, inputs: Inputs) -> Outputs:
        """With the input; leaves the shares in `inputs` as they are."""


@dataclass(frozen=True)
class Truncation:
    """What each party cuts off of its own share: of so many elements of a value, times a factor, with so many fractional bits.

    Of an element v it fails with probability |v| factor 2^(bits - 64). reader: who does it for itself alone; "" where it is
    done once for all who read the value.
    """

    value: str
    elements: int
    bits: int
    factor: int = 1
    reader: str = ""


class Part(ABC):
    """How a protocol does one kind of operation."""

    shares_messages = False  # whether operations that do not depend on each other are done together
    reads_bits = False  # whether it compares by those bits of a value that it is told to

    @abstractmethod
    def messages(self, layer: Layer) -> list[Message]:
        """What server and client send each other, in order."""

    @abstractmethod
    def step(self, layer: Layer, context: Context, weights: Weights | None, once: Tensors) -> Step:
        """A party's step. Sets up what is needed once for a model. weights: the server's; once: the party's part of
        `dealt_once`."""

    def dealt_once(self, layer: Layer) -> Sequence[Correlation]:
        """What the dealer deals once for a model; at most one."""
        return ()

    def dealt(self, layer: Layer) -> Sequence[Correlation]:
        """What the dealer deals for one inference, in the order of use."""
        return ()

    def deal(
        self, layer: Layer, server: Stream, client: Stream, once: Tensor | None, inputs: Inputs
    ) -> tuple[list[Deal], Outputs]:
        """The dealer's side: what it deals for one inference, and the masks that it knows of the outputs.

        once: what it knows of `dealt_once`; inputs: the masks that it knows of the inputs.
        """
        return [correlation.deal(server, client) for correlation in self.dealt(layer)], [None] * len(layer.operations)

    def held(self, layer: Layer) -> list[Held]:
        """How the outputs are held."""
        return [Held(operation.shape, layer.settings.precision_bits) for operation in layer.operations]

    def truncations(self, layer: Layer) -> list[Truncation]:
        """What each party truncates by itself, for one image: inputs that have more fractional bits than they should."""
        bits = layer.settings.precision_bits
        return [
            Truncation(name, prod(held.shape), held.bits)
            for operation, inputs in zip(layer.operations, layer.inputs, strict=True)
            for name, held in zip(operation.inputs, inputs, strict=True)
            if held.bits > bits
        ]
