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

Held = dict[str, dict[str, int]]  # by role: {"inferences", "memory_bytes", "disk_bytes"} of what is prepared


class Subject(Protocol):
    """Anything that infers: parties of this host, or the client of parties elsewhere."""

    batch: int

    def prepare(self, network: Network, note: bool = False) -> Held:
        """The offline phase of one inference more; returns what all that are prepared hold."""

    def infer(self, indices: Sequence[int], network: Network, note: bool = False) -> Inference:
        """One inference on a batch of the images that the subject has."""


@dataclass
class Measured:
    """What was found of one subject: its counted repeats by network's name, its inferences on the images, in order, and what
    was held when `ahead` inferences had been prepared; None where none was."""

    repeats: dict[str, list[Inference]] = field(default_factory=dict)
    checks: list[Inference] = field(default_factory=list)
    ahead: Held | None = None


@dataclass(frozen=True)
class Plan:
    """What is measured. images: how many each subject has; ahead: inferences prepared before the first image, on the first
    network; note: whether there is an auditor."""

    images: int
    networks: Sequence[Network]
    warmups: int
    repeats: int
    ahead: int = 0
    note: bool = True

    def checks(self, subject: Subject) -> int:
        """Inferences until all images have been seen."""
        return -(-self.images // subject.batch)

    def steps(self, subjects: Sequence[Subject]) -> int:
        """How many times `measure` calls `advance`."""
        timed = len(self.networks) * (self.warmups + self.repeats)
        return sum(self.ahead + self.checks(subject) + timed for subject in subjects)


def measure(subjects: Sequence[Subject], plan: Plan, advance: Callable[[str], None]) -> list[Measured]:
    """`advance` is called after each inference, and each preparation, with what is being done."""
    networks = plan.networks
    found = [Measured({network.name: [] for network in networks}) for _ in subjects]
    timed = [_cycle(plan.images, subject.batch) for subject in subjects]
    unhindered = networks[0] if not networks[0].emulated else LOOPBACK
    for subject, measured in zip(subjects, found, strict=True):
        for number in range(plan.ahead):
            measured.ahead = subject.prepare(networks[0], plan.note and number < plan.checks(subject))
            advance("preparing ahead")
        for batch in islice(_cycle(plan.images, subject.batch), plan.checks(subject)):
            measured.checks.append(subject.infer(batch, unhindered, plan.note))
            advance("checking answers")
    turns = list(zip(subjects, timed, found, strict=True))
    for turn in range(plan.warmups + plan.repeats):
        first = turn % len(turns)  # so that nobody always follows the same one
        for network in networks:
            for subject, batches, measured in turns[first:] + turns[:first]:
                inference = subject.infer(next(batches), network)
                if turn >= plan.warmups:
                    measured.repeats[network.name].append(inference)
                advance("warm-up" if turn < plan.warmups else f"repeat {turn - plan.warmups + 1} of {plan.repeats}")
    return found


def _cycle(images: int, batch: int) -> Iterator[list[int]]:
    """Batches of the images' indices in order, from the first again after the last."""
    position = 0
    while True:
        yield [index % images for index in range(position, position + batch)]
        position += batch
