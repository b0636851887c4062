"""The main command: runs one or several networks securely on this host, checks their answers, and says what they cost.

python -m pi_bench MODEL.onnx
python -m pi_bench STUDENT.onnx --against TEACHER.onnx,STUDENT.onnx@crypten-plain --network loopback,lan,wan
python -m pi_bench STUDENT.onnx --protocol one-trip --inputs images.npz
python -m pi_bench STUDENT.onnx --mode normal,adversarial
"""

import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pi_bench.cli import command
from pi_bench.contenders import Contender, GivenImages, contenders
from pi_bench.inputs import Images
from pi_bench.measure import Measured, Plan, check_ahead, measure
from pi_bench.model import graph
from pi_bench.parties.local import LocalParties
from pi_bench.progress import bar, console
from pi_bench.protocols import PROTOCOLS
from pi_bench.protocols.settings import Settings
from pi_bench.results import card, folder, outcome, series, terminal
from pi_bench.units import size
from pi_bench.wire.network import REAL, Network, choose


@dataclass(frozen=True)
class BenchmarkConfig:
    """Runs a network securely between two parties and says what it costs.

    Args:
        against: further networks to measure in turn with it, with commas between; NAME.onnx@PROTOCOL for another protocol.
        mode: which mode of a file that holds several, or several with commas between, each measured; its first one without.
            Files in --against that hold no modes run as they are.
        inputs: images to check answers on, a .npz file (images, labels) or a folder; random ones without.
        labels: their labels, if they are not with the images; then accuracy under encryption is measured.
        images: on how many of them answers are checked; 16 random or at most 100 given ones without.
        protocol: one-trip, crypten or crypten-plain, several with commas between: each is run, in turn with the others.
        provider: who makes the correlated randomness: dealer, or insecure-first-party (CrypTen's; the server could read all).
        precision_bits: fractional bits of fixed-point numbers; more are more exact and wrap more often.
        batch: images in one inference.
        comparison_bits: how many bits of a value one-trip's comparisons read, 64 less the precision bits for all of them;
            without it the server chooses by its calibration images.
        calibration: those images, a .npz file or a folder; without it other random ones, or those of --inputs that are not
            checked (where there are none, those that are).
        network: loopback, lan, wan, lan-1g or wan-100m, several with commas between; all but loopback are emulated.
        rtt_ms: an own network: time to the other party and back.
        mbit_per_s: an own network: bandwidth of each direction.
        repeats: counted inferences.
        warmups: inferences before that.
        seed: of random images.
        out: folder for cards, picture and page; by default pi_bench/ beside the model.
        ahead: inferences that are prepared before the first image; what they hold is said.
        ahead_folder: where what the dealer sends is kept until it is used, in files without names; in memory without.
        threads: of each party; with one, server and client have a core each.
        all_layers: the table shows every layer.
    """

    against: str = ""
    mode: str | None = None
    inputs: Path | None = None
    labels: Path | None = None
    images: int | None = None
    protocol: str = "one-trip,crypten"
    provider: str = "dealer"
    precision_bits: int = Settings.precision_bits
    batch: int = 1
    comparison_bits: int | None = None
    calibration: Path | None = None
    network: str = "loopback"
    rtt_ms: float | None = None
    mbit_per_s: float | None = None
    repeats: int = 21
    warmups: int = 3
    seed: int = 0
    out: Path | None = None
    ahead: int = 0
    ahead_folder: Path | None = None
    threads: int = 1
    all_layers: bool = False

    def __post_init__(self) -> None:
        if self.repeats < 1 or self.warmups < 0:
            raise ValueError(f"repeats is {self.repeats} and warmups {self.warmups}: at least 1 and 0")
        if self.images is not None and self.images < 1:
            raise ValueError(f"images is {self.images}: answers are checked on at least 1")
        check_ahead(self.ahead, self.ahead_folder)
        if self.threads < 1:
            raise ValueError(f"threads is {self.threads}: at least 1")
        if self.comparison_bits is not None and self.calibration is not None:
            raise ValueError("comparison bits are given or chosen by calibration; leave out --comparison-bits or --calibration")

    @property
    def networks(self) -> list[Network]:
        """Those that are asked for, each once. Raises ValueError for what cannot be emulated here, or told apart."""
        found = list(dict.fromkeys(choose(name.strip(), self.rtt_ms, self.mbit_per_s) for name in self.network.split(",")))
        if REAL in found:
            raise ValueError("all parties run on this host here; for a real network start each by python -m pi_bench party")
        if len({network.name for network in found}) < len(found):
            raise ValueError(f"--rtt-ms and --mbit-per-s make one own network, not {len(found)}; give one --network with them")
        return found

    @property
    def modes(self) -> list[str | None]:
        """Those that are asked for, each once; None is a file's first one."""
        return [None] if self.mode is None else list(dict.fromkeys(name.strip() for name in self.mode.split(",")))

    @property
    def protocols(self) -> list[str]:
        """Those that are asked for, each once."""
        return list(dict.fromkeys(name.strip() for name in self.protocol.split(",")))

    def settings(self, protocol: str) -> Settings:
        return Settings(protocol, self.provider, self.precision_bits, self.batch, self.comparison_bits)

    def subjects(self, path: Path) -> Iterator[tuple[Path, Settings, str | None]]:
        """File, settings and mode of all that is to be run."""
        yield from ((path, self.settings(protocol), mode) for mode in self.modes for protocol in self.protocols)
        for name in filter(None, self.against.split(",")):
            file, _, protocol = name.strip().partition("@")
            modes = [None] if self.mode is None or graph.modes(Path(file)) is None else self.modes
            protocols = [protocol] if protocol else self.protocols
            yield from ((Path(file), self.settings(protocol), mode) for mode in modes for protocol in protocols)


def benchmark(path: Path, config: BenchmarkConfig) -> None:
    """Runs everything, prints and writes the results."""
    cards = run(path, config)
    terminal.show(cards, all_layers=config.all_layers)
    folder.write(cards, place := config.out or path.parent / "pi_bench")
    console.print(f"cards, picture.png and page.html are in {place}")


def run(path: Path, config: BenchmarkConfig) -> list[dict[str, Any]]:
    """The card of each network under its protocol, on each emulated network."""
    networks, started = config.networks, datetime.now(UTC)
    images = GivenImages(config.inputs, config.labels, config.images, config.seed, config.calibration)
    chosen = contenders(config.subjects(path), images)
    given = images.of(chosen[0].model)
    _print_risk(chosen, len(given.images), config.precision_bits)
    with _parties(chosen, given, images.calibrating(), config) as subjects:
        plan = Plan(len(given.images), networks, config.warmups, config.repeats, config.ahead)
        with bar("secure inferences", plan.steps(subjects)) as advance:
            found = measure(subjects, plan, advance)
        _print_ahead(chosen, found)
        facts = [subject.facts for subject in subjects]
    results = [
        _result(contender, config, network, measured, facts_of, given)
        for contender, measured, facts_of in zip(chosen, found, facts, strict=True)
        for network in networks
    ]
    return series.with_fits([card.build(result, _command_line(), started) for result in results])


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
    architecture, count = contender.model.architecture, len(images.images)
    settings = contender.settings.with_site_bits(facts["comparison_bits"], (relu.name for relu in architecture.relus))
    limits = {site: limit for site, (_, limit) in PROTOCOLS[settings.protocol].comparisons(architecture, settings).items()}
    checked = outcome.correctness(
        measured.checks, contender.plain_logits, images.labels, count, contender.expected_wraps, limits
    )
    return outcome.result(settings, network, config.networks[0], architecture, facts, measured, config.warmups, checked)


def _print_risk(chosen: Sequence[Contender], images: int, precision_bits: int) -> None:
    worst = max(contender.expected_wraps for contender in chosen)
    console.print(
        f"{precision_bits} fractional bits: a truncation that wraps destroys an answer; {worst:.2g} are expected "
        f"in the {images} images that are checked"
    )


def _print_ahead(chosen: Sequence[Contender], found: Sequence[Measured]) -> None:
    """What was held before the first image."""
    for contender, measured in zip(chosen, found, strict=True):
        for role, held in (measured.ahead or {}).items():
            where = f"{size(held['memory_bytes'])} in memory and {size(held['disk_bytes'])} on disk"
            console.print(f"{contender.settings.protocol}: the {role} held {held['inferences']} inferences ahead, {where}")


def _command_line() -> str:
    return shlex.join(["python", "-m", "pi_bench", *sys.argv[1:]])


def main(arguments: list[str] | None = None) -> int:
    return command(benchmark, BenchmarkConfig, arguments, positional={"model": (Path, "an ONNX file")})
