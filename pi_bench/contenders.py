"""What a benchmark runs: networks read and checked before anything starts, and the images they are run on."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pi_bench import inputs
from pi_bench.inputs import Images
from pi_bench.model import graph, plain
from pi_bench.model.operations import Model
from pi_bench.protocols import PROTOCOLS, reads_bits
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
        return self._checked

    def _make(self, shape: tuple[int, ...]) -> tuple[Images, np.ndarray]:
        """Those to check answers on, and others."""
        if self.path is None:
            if self.labels is not None:
                raise ValueError("labels without images; give --inputs too")
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


def contenders(subjects: Iterable[tuple[Path, Settings, str | None]], images: GivenImages) -> list[Contender]:
    """Reads and checks everything that is to be run: file, settings and mode. Raises ValueError for what cannot be."""
    found = [_contender(*subject, images) for subject in subjects]
    if len({(one.path.stem, one.sha256, one.model.mode, one.settings) for one in found}) < len(found):
        raise ValueError("the same network is given twice under the same protocol; leave one of them out of --against")
    return found


def _contender(file: Path, settings: Settings, mode: str | None, images: GivenImages) -> Contender:
    model = graph.load(file, mode)
    try:
        graph.refuse_unknown(model)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    given = images.of(model).images
    problems = plain.fixed_point_problems(model, given, settings.precision_bits)
    if problems:
        raise ValueError(f"{file}: {'; '.join(problems)}")
    wraps = PROTOCOLS[settings.protocol].expected_wraps(model, given, settings)
    return Contender(file, model, settings, plain.logits(model, given), wraps)
