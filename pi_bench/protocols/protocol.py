"""A secure protocol: how it multiplies by weights, how it compares, and whom one has to trust."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pi_bench.cost import ZERO, Cost
from pi_bench.model.operations import Architecture, Conv, Linear, Operation, ReLU
from pi_bench.protocols.correlations import Correlation
from pi_bench.protocols.parts import FRAME_BYTES, WORD_BYTES, Part, Place


@dataclass(frozen=True)
class Protocol:
    """`linear` does Conv and Linear, `relu` the ReLUs; everything else is local.

    With `allows_first_party` CrypTen's own first party may stand in for the dealer, and sees everything.
    """

    name: str
    summary: str
    linear: Part
    relu: Part
    allows_first_party: bool = False

    def part(self, operation: Operation) -> Part | None:
        """The part that does an operation; None where no other party is needed."""
        if isinstance(operation, Conv | Linear):
            return self.linear
        return self.relu if isinstance(operation, ReLU) else None

    def places(self, architecture: Architecture, batch: int) -> Iterator[tuple[Operation, Place]]:
        """Each operation with where it stands."""
        client_sent_last = False
        for operation in architecture.operations:
            place = Place(architecture.shape(operation.inputs[0]), batch, client_sent_last)
            yield operation, place
            part = self.part(operation)
            cost = part.cost(operation, place) if part else ZERO
            if cost.client_bytes or cost.server_bytes:
                client_sent_last = not cost.server_bytes

    def costs(self, architecture: Architecture, batch: int = 1) -> dict[str, Cost]:
        """The exact cost of each layer of one inference, in order, between "input" and "output".

        Sharing the input costs nothing, since its mask comes from a common seed; at the end the server sends its share of the
        logits to the client.
        """
        costs = {"input": ZERO}
        for operation, place in self.places(architecture, batch):
            part = self.part(operation)
            costs[operation.name] = part.cost(operation, place) if part else ZERO
        logits = FRAME_BYTES + WORD_BYTES * batch * architecture.output.size
        return costs | {"output": Cost(1, server_bytes=logits)}

    def correlations(self, architecture: Architecture, batch: int) -> Mapping[str, tuple[Correlation, ...]]:
        """The correlated randomness for one inference, by operation, in the order of use."""
        return {
            operation.name: part.correlations(operation, place)
            for operation, place in self.places(architecture, batch)
            if (part := self.part(operation))
        }

    def masked_once(self, architecture: Architecture) -> tuple[Conv | Linear, ...]:
        """The operations whose weights are opened, masked, once per model."""
        if not self.linear.opens_weights_once:
            return ()
        return tuple(operation for operation in architecture.operations if isinstance(operation, Conv | Linear))

    def trust(self, provider: str) -> str:
        """Whom one has to trust for what, in words."""
        if provider == "dealer":
            return TRUST_DEALER
        return TRUST_FIRST_PARTY


LINKS = " The links are neither encrypted nor authenticated here: run them over a private network."
PUBLIC = (
    "Public to all parties: the architecture (layers and their names, shapes, where ReLUs are kept), the settings, timing, and "
    "the machines the parties run on." + LINKS
)
TRUST_DEALER = (
    "Two parties, semi-honest (each follows the protocol and is curious): the server learns nothing about the images or the "
    "logits, the client nothing about the weights beyond what its logits tell. A dealer, trusted not to collude with either, "
    "deals correlated randomness and sees neither images nor weights. " + PUBLIC
)
TRUST_FIRST_PARTY = (
    "INSECURE: the server makes the correlated randomness itself (CrypTen's default provider), so it could read the client's "
    "images; and CrypTen's generators are no ciphers, so the weights are hardly protected either. For comparison only. "
    + PUBLIC
)
