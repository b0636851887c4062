"""The main command: runs one or several networks securely on this host, checks their answers, and says what they cost.

python -m pi_bench MODEL.onnx
python -m pi_bench STUDENT.onnx --against TEACHER.onnx,STUDENT.onnx@crypten-plain --network loopback,lan,wan
python -m pi_bench STUDENT.onnx --protocol one-trip --inputs images.npz
python -m pi_bench STUDENT.onnx --mode normal,adversarial
"""

import hashlib
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pi_bench import inputs
from pi_bench.cli import command
from pi_bench.inputs import Images
from pi_bench.measure import Measured, Plan, check_ahead, measure
from pi_bench.model import graph, plain
from pi_bench.model.operations import Model
from pi_bench.parties.local import LocalParties
from pi_bench.progress import bar, console
from pi_bench.protocols import PROTOCOLS, reads_bits
from pi_bench.protocols.settings import Settings
from pi_bench.results import card, folder, outcome, series, terminal
from pi_bench.units import size
from pi_bench.wire.network import REAL, Network, choose

RANDOM_IMAGES = 16
MOST_IMAGES = 100


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
        ahead_folder: where what is dealt is kept until it is used, in files without names; in memory without.
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


@dataclass(frozen=True)
class Contender:
    """A network in one of its modes under one protocol, and what it answers in the clear."""

    path: Path
    model: Model
    settings: Settings
    plain_logits: np.ndarray
    expected_wraps: float

    @property
    def needs_calibration(self) -> bool:
        """Whether the server has to choose comparison bits."""
        return reads_bits(self.settings) and self.settings.comparison_bits is None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def contenders(path: Path, config: BenchmarkConfig, images: Callable[[Model], Images]) -> list[Contender]:
    """Reads and checks everything that is to be run. Raises ValueError for what cannot be."""
    found = []
    for file, protocol, mode in _subjects(path, config):
        settings = config.settings(protocol)
        model = graph.load(file, mode)
        try:
            graph.refuse_unknown(model)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
        given = images(model).images
        problems = plain.fixed_point_problems(model, given, config.precision_bits)
        if problems:
            raise ValueError(f"{file}: {'; '.join(problems)}")
        wraps = PROTOCOLS[protocol].expected_wraps(model, given, settings)
        found.append(Contender(file, model, settings, plain.logits(model, given), wraps))
    if len({(one.path.stem, one.sha256, one.model.mode, one.settings) for one in found}) < len(found):
        raise ValueError("the same network is given twice under the same protocol; leave one of them out of --against")
    return found


def _subjects(path: Path, config: BenchmarkConfig) -> Iterator[tuple[Path, str, str | None]]:
    """File, protocol and mode of all that is to be run."""
    yield from ((path, protocol, mode) for mode in config.modes for protocol in config.protocols)
    for name in filter(None, config.against.split(",")):
        file, _, protocol = name.strip().partition("@")
        modes = [None] if config.mode is None or graph.modes(Path(file)) is None else config.modes
        protocols = [protocol] if protocol else config.protocols
        yield from ((Path(file), protocol, mode) for mode in modes for protocol in protocols)


def benchmark(path: Path, config: BenchmarkConfig) -> None:
    """Runs everything, prints and writes the results."""
    cards = run(path, config)
    terminal.show(cards, all_layers=config.all_layers)
    folder.write(cards, place := config.out or path.parent / "pi_bench")
    console.print(f"cards, picture.png and page.html are in {place}")


def run(path: Path, config: BenchmarkConfig) -> list[dict[str, Any]]:
    """The card of each network under its protocol, on each emulated network."""
    networks, started = config.networks, datetime.now(UTC)
    images = _ImagesOnce(config)
    chosen = contenders(path, config, images)
    given = images(chosen[0].model)
    _print_risk(chosen, len(given.images), config.precision_bits)
    with _parties(chosen, given, images.calibration(), config) as subjects:
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


class _ImagesOnce:
    """The images, read or made for the first network's shape; another network has to have the same."""

    def __init__(self, config: BenchmarkConfig):
        self._config = config
        self._images: Images | None = None

    def __call__(self, model: Model) -> Images:
        shape = model.architecture.input_shape
        if self._images is None:
            self._images = self._make(shape)
        if self._images.images.shape[1:] != shape:
            given = self._images.images.shape[1:]
            raise ValueError(f"the networks take images of different shapes, {given} and {shape}; run them one by one")
        return self._images

    def _make(self, shape: tuple[int, ...]) -> Images:
        config = self._config
        if config.inputs is None:
            if config.labels is not None:
                raise ValueError("labels without images; give --inputs too")
            self._others = inputs.random_images(inputs.CALIBRATION_IMAGES, shape, inputs.CALIBRATION_SEED)
            return Images(inputs.random_images(config.images or RANDOM_IMAGES, shape, config.seed), None)
        found = inputs.load(config.inputs, config.labels, shape)
        count = min(len(found.images), config.images or MOST_IMAGES)
        self._others = found.images[count:][:MOST_IMAGES] if len(found.images) > count else found.images
        return found.first(count)

    def calibration(self) -> np.ndarray | None:
        """The images by which the server chooses comparison bits; None where they are given."""
        config = self._config
        if config.comparison_bits is not None:
            return None
        if config.calibration is None:
            return self._others
        return inputs.load(config.calibration, shape=self._images.images.shape[1:]).images


@contextmanager
def _parties(
    chosen: Sequence[Contender], images: Images, calibration: np.ndarray | None, config: BenchmarkConfig
) -> Iterator[list[LocalParties]]:
    """The parties of all contenders, up and set up; they are idle but for the one in turn."""
    with tempfile.TemporaryDirectory(prefix="pi_bench_") as temporary, ExitStack() as stack:
        file, calibrating = (Path(temporary) / name for name in ("images.npz", "calibration.npz"))
        np.savez(file, images=images.images)
        if calibration is not None:
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
