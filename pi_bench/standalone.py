"""The measurement as a client makes it alone: the other parties run elsewhere, and nobody is auditor."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pi_bench.inputs import Images
from pi_bench.measure import Plan, Subject, measure
from pi_bench.parties.meeting import Joined
from pi_bench.progress import bar
from pi_bench.results import card, outcome, terminal
from pi_bench.wire.network import Network


@dataclass(frozen=True)
class Measurement:
    """What the client measures, and where the result goes."""

    network: Network
    warmups: int
    repeats: int
    ahead: int
    plain_logits: Path | None
    card: Path | None
    command: str


def measure_as_client(subject: Subject, images: Images, measurement: Measurement, joined: Joined) -> None:
    """Warm-ups, repeats and checks; prints the result and writes its card."""
    settings, network, count = joined.settings, measurement.network, len(images.images)
    classes = joined.architecture.output.size
    plain = None if measurement.plain_logits is None else _plain_logits(measurement.plain_logits, count, classes)
    plan = Plan(count, (network,), measurement.warmups, measurement.repeats, measurement.ahead, note=False)
    with bar("measuring", plan.steps([subject])) as advance:
        (measured,) = measure([subject], plan, advance)
    checked = outcome.correctness(measured.checks, plain, images, None)
    facts = {"model": joined.model, "parties": joined.parties}
    found = outcome.result(settings, network, network, joined.architecture, facts, measured, measurement.warmups, checked)
    made = card.build(found, measurement.command)
    terminal.show([made])
    if measurement.card is not None:
        card.write(made, measurement.card)


def _plain_logits(path: Path, images: int, classes: int) -> np.ndarray:
    """The logits in the clear of the first images. Raises ValueError for a file that cannot be those."""
    found = np.load(path, allow_pickle=False)
    if found.ndim != 2 or len(found) < images or found.shape[1] != classes or not np.isfinite(found).all():
        wanted = f"finite and of shape ({images}, {classes})"
        raise ValueError(f"{path} holds an array of shape {found.shape}; the plain logits here are {wanted}")
    return found[:images]
