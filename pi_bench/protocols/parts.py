"""What a protocol is made of: a part for the linear operations and a part for the ReLUs.

A `Part` says, from public facts alone, what an operation costs and which correlated randomness it needs, and makes the `Step`
with which a party does it. All other operations are local (local_steps.py) and the same for every protocol.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from pi_bench.cost import Cost
from pi_bench.model.operations import Operation, Shape, Weights
from pi_bench.protocols.correlations import Correlation

if TYPE_CHECKING:  # importing crypten takes a second, and counting does without
    from pi_bench.protocols.crypten_engine import DealtRandomness, Shares

FRAME_BYTES = 16  # the header of a frame
WORD_BYTES = 8


@dataclass(frozen=True)
class Place:
    """Where an operation stands: the shape of its input, the images of a batch, and whether the frame before it on the
    connection was one from the client, after which another costs no round."""

    input_shape: Shape
    batch: int
    client_sent_last: bool = False

    @property
    def batch_shape(self) -> Shape:
        return (self.batch, *self.input_shape)


@dataclass(frozen=True)
class Context:
    """What a party's steps share: the channel to the other party, CrypTen's queue of randomness, fractional bits."""

    channel: Any
    provider: "DealtRandomness | None"
    precision_bits: int


class Step(ABC):
    """One party's side of one operation."""

    def prepare(self, dealt: list[tuple[Correlation, tuple[Tensor, ...]]]) -> None:  # noqa: B027, most steps need nothing
        """Takes the randomness for the next inference, and does all that needs no input."""

    @abstractmethod
    def run(self, *inputs: "Shares") -> "Shares":
        """The operation on shares (batch, ...); leaves its inputs as they are."""


class CryptenStep(Step):
    """A step whose randomness CrypTen asks its provider for."""

    def __init__(self, context: Context):
        self._provider = context.provider

    def prepare(self, dealt: list[tuple[Correlation, tuple[Tensor, ...]]]) -> None:
        self._provider.fill(dealt)


class Part(ABC):
    """How a protocol does one kind of operation."""

    opens_weights_once = False

    @abstractmethod
    def cost(self, operation: Operation, place: Place) -> Cost: ...

    @abstractmethod
    def correlations(self, operation: Operation, place: Place) -> tuple[Correlation, ...]:
        """What the dealer deals for one inference, in the order of use."""

    @abstractmethod
    def step(
        self, operation: Operation, place: Place, context: Context, weights: Weights | None, masked: Tensor | None
    ) -> Step:
        """A party's step. `weights` are the server's; `masked` is the mask of the weights at the server and the weights minus
        the mask at the client, where the part opens weights once."""


def dealt_bytes(correlations: tuple[Correlation, ...]) -> int:
    """The corrections of an operation travel in one frame."""
    return FRAME_BYTES + sum(correlation.correction_bytes for correlation in correlations) if correlations else 0
