"""The measuring loop: warm-ups, then repeats of all subjects in turn, so that a machine's noise hits all alike; then right
answers.

A subject is one model under one protocol, whose parties are up and idle; it is measured on each network.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from pi_bench.parties.inference import Inference
from pi_bench.wire.network import LOOPBACK, Network


class Subject(Protocol):
    """Anything that infers: parties of this host, or the client of parties elsewhere."""

    batch: int

    def infer(self, indices: Sequence[int], network: Network, note: bool = False) -> Inference:
        """One inference on a batch of the images that the subject has."""


@dataclass
class Measured:
    """What was found of one subject: its counted repeats by network's name, and its inferences on the images, in order."""

    repeats: dict[str, list[Inference]] = field(default_factory=dict)
    checks: list[Inference] = field(default_factory=list)


def measure(
    subjects: Sequence[Subject],
    images: int,
    networks: Sequence[Network],
    warmups: int,
    repeats: int,
    advance: Callable[[str], None],
    note: bool = True,
) -> list[Measured]:
    """images: how many each subject has. `advance` is called after each inference with what is being done."""
    found = [Measured({network.name: [] for network in networks}) for _ in subjects]
    timed = [_cycle(images, subject.batch) for subject in subjects]
    unhindered = networks[0] if not networks[0].emulated else LOOPBACK
    for subject, measured in zip(subjects, found, strict=True):
        for batch in islice(_cycle(images, subject.batch), -(-images // subject.batch)):
            measured.checks.append(subject.infer(batch, unhindered, note))
            advance("checking answers")
    turns = list(zip(subjects, timed, found, strict=True))
    for turn in range(warmups + repeats):
        first = turn % len(turns)  # so that nobody always follows the same one
        for network in networks:
            for subject, batches, measured in turns[first:] + turns[:first]:
                inference = subject.infer(next(batches), network)
                if turn >= warmups:
                    measured.repeats[network.name].append(inference)
                advance("warm-up" if turn < warmups else f"repeat {turn - warmups + 1} of {repeats}")
    return found


def inferences(subjects: Sequence[Subject], images: int, networks: int, warmups: int, repeats: int) -> int:
    """How many inferences `measure` will do."""
    return len(subjects) * networks * (warmups + repeats) + sum(-(-images // subject.batch) for subject in subjects)


def _cycle(images: int, batch: int) -> Iterator[list[int]]:
    """Batches of the images' indices in order, from the first again after the last."""
    position = 0
    while True:
        yield [index % images for index in range(position, position + batch)]
        position += batch
