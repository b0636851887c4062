"""The layers of a secure run: which operations are done together, and what all parties know of the values beforehand."""

from dataclasses import dataclass
from math import prod

from pi_bench.model.operations import Operation, Shape
from pi_bench.protocols.settings import Settings
from pi_bench.wire.frames import HEADER, WORD_BYTES


def frame_bytes(words: int) -> int:
    """A frame of so many words, with its header."""
    return HEADER.size + WORD_BYTES * words


@dataclass(frozen=True)
class Held:
    """How a value is held. shape: of one image; bits: how many are fractional; mask_is_dealt: the dealer knows the client's
    share as a whole, since it has dealt it."""

    shape: Shape
    bits: int
    mask_is_dealt: bool = False


@dataclass(frozen=True)
class Layer:
    """Operations that are done together: one, or several ReLUs that share their messages.

    name: what cards call it. inputs: what each operation reads.
    """

    name: str
    operations: tuple[Operation, ...]
    inputs: tuple[tuple[Held, ...], ...]
    settings: Settings

    @property
    def operation(self) -> Operation:
        """The only one."""
        (operation,) = self.operations
        return operation

    @property
    def input(self) -> Held:
        """What the only operation reads first."""
        return self.inputs[0][0]

    @property
    def input_shape(self) -> Shape:
        """The shape of `input`, with the batch dimension."""
        return (self.settings.batch, *self.input.shape)

    @property
    def output_words(self) -> int:
        """Elements of the only operation's output, for the batch."""
        return self.settings.batch * prod(self.operation.shape)
