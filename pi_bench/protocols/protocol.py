"""A secure protocol: how it takes the input, multiplies, compares and gives the output, and whom one has to trust."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pi_bench.cost import Cost, Message, costs
from pi_bench.model import plain
from pi_bench.model.operations import RESERVED, Architecture, Conv, Linear, Model, Operation, ReLU
from pi_bench.protocols.dealing.correlation import Correlation, sent_words
from pi_bench.protocols.dealing.randomness import KEY_BYTES
from pi_bench.protocols.layer import WORD_BYTES, Held, Layer, frame_bytes
from pi_bench.protocols.local import Local
from pi_bench.protocols.part import Part
from pi_bench.protocols.settings import Settings

INPUT, OUTPUT = RESERVED
TRUNCATED = 2**61  # values of this magnitude and above a comparison cannot truncate, whatever it reads (one_trip/gate.py)


@dataclass(frozen=True)
class Input(Operation):
    """The client's images, shared."""

    op: ClassVar[str] = "Input"


@dataclass(frozen=True)
class Output(Operation):
    """The logits, for the client."""

    op: ClassVar[str] = "Output"


@dataclass(frozen=True)
class Protocol:
    """`linear` does Conv and Linear, `relu` the ReLUs, `input` and `output` the two ends; everything else is local.

    sees: what the parties get to see, and what is assumed, in words.
    """

    name: str
    summary: str
    input: Part
    linear: Part
    relu: Part
    output: Part
    sees: str
    local: Part = Local()

    def part(self, operation: Operation) -> Part:
        """The part that does an operation; a ReLU that keeps nothing is the identity, and local."""
        match operation:
            case Conv() | Linear():
                return self.linear
            case ReLU() if operation.kept:
                return self.relu
            case Input():
                return self.input
            case Output():
                return self.output
        return self.local

    def layers(self, architecture: Architecture, settings: Settings) -> list[Layer]:
        """The layers in the order of running: the input, the operations, the output."""
        operations = (
            Input(architecture.input, (), architecture.input_shape),
            *architecture.operations,
            Output(OUTPUT, (architecture.output.name,), architecture.output.shape),
        )
        held: dict[str, Held] = {}
        layers = []
        for together in self._together(operations):
            name = INPUT if isinstance(together[0], Input) else " + ".join(operation.name for operation in together)
            inputs = tuple(tuple(held[source] for source in operation.inputs) for operation in together)
            layers.append(Layer(name, together, inputs, settings))
            outputs = self.part(together[0]).held(layers[-1])
            held.update(zip((operation.name for operation in together), outputs, strict=True))
        return layers

    def _together(self, operations: Sequence[Operation]) -> Iterator[tuple[Operation, ...]]:
        """The operations in the order of running, those together that share their messages.

        The depth of an operation is how many of those, one after the other, come before it. All others of a depth come first.
        """
        depth: dict[str, int] = {}
        alone, together = defaultdict(list), defaultdict(list)
        for operation in operations:
            before = max((depth[source] for source in operation.inputs), default=0)
            shares = self.part(operation).shares_messages
            depth[operation.name] = before + shares
            (together if shares else alone)[before].append(operation)
        for level in range(max(depth.values()) + 1):
            yield from ((operation,) for operation in alone[level])
            if level in together:
                yield tuple(together[level])

    def messages(self, layer: Layer) -> list[Message]:
        """All that is sent for a layer, in order."""
        part = self.part(layer.operations[0])
        keys = [Message("setup", "dealer", party, frame_bytes(KEY_BYTES // WORD_BYTES)) for party in ("server", "client")]
        return [
            *(keys if layer.name == INPUT and layer.settings.needs_dealer else ()),
            *_dealt("setup", part.dealt_once(layer)),
            *(_dealt("offline", part.dealt(layer)) if layer.settings.needs_dealer else ()),
            *part.messages(layer),
        ]

    def costs(self, architecture: Architecture, settings: Settings) -> dict[str, Cost]:
        """The exact cost of each layer of one inference, in order, from "input" to "output"."""
        return costs({layer.name: self.messages(layer) for layer in self.layers(architecture, settings)})

    def comparisons(self, architecture: Architecture, settings: Settings) -> dict[str, tuple[int, int]]:
        """By site how many bits its comparison reads, and from which magnitude on a value is out of its range.

        The magnitude is of the fixed-point number that is compared. Empty where all of a value is compared.
        """
        found = {}
        for layer in self.layers(architecture, settings):
            if self.part(layer.operations[0]).reads_bits:
                for relu, (held,) in zip(layer.operations, layer.inputs, strict=True):
                    bits, shift = settings.bits_of(relu.name), held.bits - settings.precision_bits
                    limit = (2 ** (bits - 1) - 1) << shift
                    found[relu.name] = bits, min(limit, TRUNCATED) if shift else limit
        return found

    def expected_wraps(self, model: Model, images: np.ndarray, settings: Settings) -> float:
        """How many truncations fail in a run over all these images, in expectation.

        One that is done once under two names, for a ReLU that keeps nothing is another name of its input, may count twice.
        """
        layers = self.layers(model.architecture, settings)
        truncations = {each for layer in layers for each in self.part(layer.operations[0]).truncations(layer)}
        means = {name: found.mean for name, found in plain.ranges(model, images).items()}
        of_image = sum(each.elements * means[each.value] * each.factor * 2.0 ** (each.bits - 64) for each in truncations)
        return len(images) * of_image

    def trust(self, provider: str) -> str:
        """Whom one has to trust for what, in words."""
        return f"{TRUST_DEALER} {self.sees} {PUBLIC}" if provider == "dealer" else f"{TRUST_FIRST_PARTY} {PUBLIC}"


def _dealt(phase: str, correlations: Sequence[Correlation]) -> list[Message]:
    """What the dealer sends for a layer travels in one frame to each party that gets anything."""
    words = {party: sent_words(correlations, party) for party in ("client", "server")}
    return [Message(phase, "dealer", party, frame_bytes(count)) for party, count in words.items() if count]


PUBLIC = (
    "Public to all parties: the architecture (layers and their names, shapes, where ReLUs are kept), the settings, timing, and "
    "the machines the parties run on. The links are neither encrypted nor authenticated here: run them over a private network."
)
TRUST_DEALER = (
    "Two parties, semi-honest (each follows the protocol and is curious): the server learns nothing about the images or the "
    "logits, the client nothing about the weights beyond what its logits tell. A dealer, trusted not to collude with either, "
    "deals correlated randomness and sees neither images nor weights."
)
TRUST_FIRST_PARTY = (
    "INSECURE: the server makes the correlated randomness itself (CrypTen's default provider), so it could read the client's "
    "images; and CrypTen's generators are no ciphers, so the weights are hardly protected either. For comparison only."
)
