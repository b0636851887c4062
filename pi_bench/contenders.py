"""What a benchmark runs: networks read and checked before anything starts, and the images they are run on."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pi_bench import inputs
from pi_bench.config.benchmark import BenchmarkConfig
from pi_bench.inputs import Images
from pi_bench.model import graph, plain
from pi_bench.model.operations import Model
from pi_bench.protocols.registry import PROTOCOLS, reads_bits
from pi_bench.protocols.settings import Settings

RANDOM_IMAGES = 16
MOST_IMAGES = 100


@dataclass
class GivenImages:
    """The images that answers are checked on, read or made for the first network's shape; another one has to have the same.

    path, labels: a file or folder; random ones without. count: how many; as many as are sensible without. seed: of random ones.
    calibration: a file or folder of those by which the server chooses comparison bits.
    """

    path: Path | None = None
    labels: Path | None = None
    count: int | None = None
    seed: int = 0
    calibration: Path | None = None
    _checked: Images | None = field(default=None, repr=False)
    _others: np.ndarray | None = field(default=None, repr=False)

    def of(self, model: Model) -> Images:
        """Those for a network. Raises ValueError for one of another shape than the first's."""
        shape = model.architecture.input_shape
        if self._checked is None:
            self._checked, self._others = self._make(shape)
        if self._checked.images.shape[1:] != shape:
            given = self._checked.images.shape[1:]
            raise ValueError(f"the networks take images of different shapes, {given} and {shape}; run them one by one")
        self._checked.check_classes(model.architecture.output.size, self.labels or self.path)
        return self._checked

    def _make(self, shape: tuple[int, ...]) -> tuple[Images, np.ndarray]:
        """Those to check answers on, and others."""
        if self.path is None:
            others = inputs.random_images(inputs.CALIBRATION_IMAGES, shape, inputs.CALIBRATION_SEED)
            return Images(inputs.random_images(self.count or RANDOM_IMAGES, shape, self.seed), None), others
        found = inputs.load(self.path, self.labels, shape)
        count = min(len(found.images), self.count or MOST_IMAGES)
        return found.first(count), found.images[count:][:MOST_IMAGES] if len(found.images) > count else found.images

    def calibrating(self) -> np.ndarray:
        """Those by which the server chooses comparison bits."""
        if self.calibration is None:
            return self._others
        return inputs.load(self.calibration, shape=self._checked.images.shape[1:]).images


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


def subjects_of(path: Path, config: BenchmarkConfig) -> Iterator[tuple[Path, Settings, str | None]]:
    """File, settings and mode of all that is to be run."""
    yield from ((path, config.settings(protocol), mode) for mode in config.modes for protocol in config.protocols)
    for file, protocol in config.others:
        modes = [None] if config.mode is None or graph.modes(file) is None else config.modes
        protocols = [protocol] if protocol else config.protocols
        yield from ((file, config.settings(protocol), mode) for mode in modes for protocol in protocols)


def contenders(subjects: Iterable[tuple[Path, Settings, str | None]], images: GivenImages) -> list[Contender]:
    """Reads and checks everything that is to be run: file, settings and mode. Raises ValueError for what cannot be."""
    found = [_contender(*subject, images) for subject in subjects]
    if len({(one.path.stem, one.sha256, one.model.mode, one.settings) for one in found}) < len(found):
        raise ValueError("the same network is given twice under the same protocol; leave one of them out of --against")
    return found


def _contender(file: Path, settings: Settings, mode: str | None, images: GivenImages) -> Contender:
    model = graph.load(file, mode)
    name = file if model.mode is None else f"{file} in mode {model.mode}"
    with _named(name):
        graph.refuse_unknown(model)
    given = images.of(model).images
    with _named(name):
        logits = plain.logits(model, given)
        problems = plain.fixed_point_problems(model, given, settings.precision_bits)
        if problems:
            raise ValueError("; ".join(problems))
        wraps = PROTOCOLS[settings.protocol].expected_wraps(model, given, settings)
    return Contender(file, model, settings, logits, wraps)


@contextmanager
def _named(name: object) -> Iterator[None]:
    """What is wrong with a network is said with its name."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
