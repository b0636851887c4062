"""The benchmark's work: all parties on this host, every network under each protocol in turn, and a card for each.

`standalone` is the same measurement as a client makes it whose other parties run elsewhere.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pi_bench.cli import command_line
from pi_bench.config.benchmark import BenchmarkConfig
from pi_bench.contenders import Contender, GivenImages, contenders, subjects_of
from pi_bench.inputs import Images
from pi_bench.measure import Measured, Plan, measure
from pi_bench.parties.local import LocalParties
from pi_bench.progress import bar, say
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.results import card, outcome, series
from pi_bench.units import size
from pi_bench.wire.network import Network


def run(path: Path, config: BenchmarkConfig) -> list[dict[str, Any]]:
    """The card of each network under its protocol, on each emulated network."""
    networks, started = config.networks, datetime.now(UTC)
    images = GivenImages(config.inputs, config.labels, config.images, config.seed, config.calibration)
    chosen = contenders(subjects_of(path, config), images)
    given = images.of(chosen[0].model)
    _say_risk(chosen, len(given.images), config.precision_bits)
    with _parties(chosen, given, images.calibrating(), config) as subjects:
        plan = Plan(len(given.images), networks, config.warmups, config.repeats, config.ahead)
        with bar("secure inferences", plan.steps(subjects)) as advance:
            found = measure(subjects, plan, advance)
        _say_ahead(chosen, found)
        facts = [subject.facts for subject in subjects]
    results = [
        _result(contender, config, network, measured, facts_of, given)
        for contender, measured, facts_of in zip(chosen, found, facts, strict=True)
        for network in networks
    ]
    return series.with_fits([card.build(result, command_line(), started) for result in results])


@contextmanager
def _parties(
    chosen: Sequence[Contender], images: Images, calibration: np.ndarray, config: BenchmarkConfig
) -> Iterator[list[LocalParties]]:
    """The parties of all contenders, up and set up; they are idle but for the one in turn."""
    with tempfile.TemporaryDirectory(prefix="pi_bench_") as temporary, ExitStack() as stack:
        file, calibrating = (Path(temporary) / name for name in ("images.npz", "calibration.npz"))
        np.savez(file, images=images.images)
        np.savez(calibrating, images=calibration)
        subjects = []
        with bar("setting up parties", len(chosen)) as advance:
            for contender in chosen:
                parties = LocalParties(
                    contender.path,
                    file,
                    contender.settings,
                    config.networks[0],
                    contender.model.mode,
                    calibrating if contender.needs_calibration else None,
                    config.threads,
                    config.ahead_folder,
                )
                subjects.append(stack.enter_context(parties))
                advance(str(contender.path))
        yield subjects


def _result(
    contender: Contender,
    config: BenchmarkConfig,
    network: Network,
    measured: Measured,
    facts: dict[str, Any],
    images: Images,
) -> dict[str, Any]:
    facts = {**facts, "model": {**facts["model"], "path": str(contender.path), "sha256": contender.sha256}}
    architecture = contender.model.architecture
    settings = contender.settings.with_site_bits(facts["comparison_bits"], (relu.name for relu in architecture.relus))
    limits = {site: limit for site, (_, limit) in PROTOCOLS[settings.protocol].comparisons(architecture, settings).items()}
    checked = outcome.correctness(measured.checks, contender.plain_logits, images, contender.expected_wraps, limits)
    return outcome.result(settings, network, config.networks[0], architecture, facts, measured, config.warmups, checked)


def _say_risk(chosen: Sequence[Contender], images: int, precision_bits: int) -> None:
    worst = max(contender.expected_wraps for contender in chosen)
    say(
        f"{precision_bits} fractional bits: a truncation that wraps destroys an answer; {worst:.2g} are expected "
        f"in the {images} images that are checked"
    )


def _say_ahead(chosen: Sequence[Contender], found: Sequence[Measured]) -> None:
    """What was held before the first image."""
    for contender, measured in zip(chosen, found, strict=True):
        for role, held in (measured.ahead or {}).items():
            where = f"{size(held['memory_bytes'])} in memory and {size(held['disk_bytes'])} on disk"
            say(f"{contender.settings.protocol}: the {role} held {held['inferences']} inferences ahead, {where}")
