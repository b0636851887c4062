"""The files of a part of a data set, class folder by class folder."""

from collections.abc import Iterator
from dataclasses import dataclass
from os import fsencode
from pathlib import Path

import numpy as np

from rlnet.data.files.file_list import FileList
from rlnet.data.files.shown import shown
from rlnet.data.files.walk import files_below


@dataclass(frozen=True)
class ClassFiles:
    """N files with their labels, int64 (N,), and the names of the classes."""

    files: FileList
    labels: np.ndarray
    classes: tuple[str, ...]

    def subset(self, rows: np.ndarray) -> "ClassFiles":
        """The files of rows (B,), in that order."""
        return ClassFiles(self.files.subset(rows), self.labels[rows], self.classes)


def class_files(part: Path, classes: tuple[str, ...]) -> ClassFiles:
    """The files of the class folders in `part`, sorted by class, folder and name. Raises ValueError."""
    counts = np.zeros(len(classes), dtype=np.int64)

    def names() -> Iterator[bytes]:
        for label, name in enumerate(classes):
            for file in files_below(part / name):
                counts[label] += 1
                yield fsencode(name) + b"/" + file
            if counts[label] == 0:
                raise ValueError(f"{shown(part / name)} has no images: add some, or remove the folder")

    files = FileList.of(part, names())
    return ClassFiles(files, np.repeat(np.arange(len(classes)), counts), classes)
