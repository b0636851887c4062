"""What every official corrupted test set offers: the images of a corruption at a severity, and a key of their files."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np

from rlnet.data.corruptions import CORRUPTIONS, EXTRA, SEVERITIES, check_severity
from rlnet.data.dataset import ImageSet
from rlnet.data.randomness import generator
from rlnet.data.splits import limit


@dataclass(frozen=True)
class CorruptedSet(ABC):
    """A test set under the fifteen corruptions of the benchmark, and those of the four extra ones that are there.

    folder: of all its files; corruptions: the names that are there, in the benchmark's order; classes and image_shape
    (C, H, W): those of the clean data set; test_limit: use so many images, balanced over classes, or None for all.
    """

    folder: Path
    corruptions: tuple[str, ...]
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    test_limit: int | None

    @classmethod
    def open(cls, folder: Path, classes: tuple[str, ...], image_shape: tuple[int, int, int], test_limit: int | None) -> Self:
        """The corrupted test set in folder, its layout checked. Raises ValueError."""
        present = tuple(name for name in CORRUPTIONS + EXTRA if cls.place(folder, name).exists())
        if missing := [str(cls.place(folder, name)) for name in CORRUPTIONS if name not in present]:
            raise ValueError(f"{', '.join(missing)} missing: unpack the official files again, or move {folder} away")
        found = cls(folder, present, classes, image_shape, test_limit)
        for name in present:
            for severity in SEVERITIES:
                found.check(name, severity)
        return found

    def image_set(self, name: str, severity: int) -> ImageSet:
        """The images of one corruption at severity 1..5, read when they are indexed. Raises ValueError."""
        if name not in self.corruptions:
            raise ValueError(f"{self.folder} has no corruption {name!r}; choose one of {', '.join(self.corruptions)}")
        check_severity(severity)
        images = self.read(name, severity)
        if self.test_limit is None:
            return images
        rng = generator(0, "test limit")
        return images.subset(limit(images.labels, self.classes, self.test_limit, "test_limit", rng))

    def key(self, name: str, severity: int) -> str:
        """A name of `image_set(name, severity)` that changes when what one of its files holds does. Reads new files once."""
        digest = blake2b(f"{name} {severity} {self.test_limit}".encode(), digest_size=16)
        digest.update(self.contents(name, severity).tobytes())
        return digest.hexdigest()

    @staticmethod
    @abstractmethod
    def place(folder: Path, name: str) -> Path:
        """The file or folder of one corruption."""

    @abstractmethod
    def check(self, name: str, severity: int) -> None:
        """Raises ValueError for what can be seen to be wrong without reading images."""

    @abstractmethod
    def contents(self, name: str, severity: int) -> np.ndarray:
        """Digests (N, 16), uint8, of the files that `image_set` reads."""

    @abstractmethod
    def read(self, name: str, severity: int) -> ImageSet:
        """All images of one corruption at one severity. Raises ValueError."""
