"""CIFAR-10-C and CIFAR-100-C: a numpy file for each corruption (Hendrycks & Dietterich 2019, Sec. 3).

    <corruption>.npy    uint8 (5 n, 32, 32, 3): the n images of the test set at severity 1, then at 2, ... 5
    labels.npy          integers (5 n,): their classes, the same n five times

n is 10,000 in the official files; a subset of them with the same layout is read as well.
"""

from functools import cached_property
from os import fsencode
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rlnet.data.corrupted_sets.corrupted_set import CorruptedSet
from rlnet.data.corruptions import SEVERITIES
from rlnet.data.dataset import ImageSet
from rlnet.data.files.file_list import FileList
from rlnet.data.identity.contents import digests

LABELS = "labels.npy"


class CifarC(CorruptedSet):
    """Images mapped to memory: only what is indexed is read from the disk."""

    @staticmethod
    def place(folder: Path, name: str) -> Path:
        return folder / f"{name}.npy"

    def contents(self, name: str, severity: int) -> np.ndarray:
        files = FileList.of(self.folder, (fsencode(self.place(self.folder, name).name), fsencode(LABELS)))
        return digests(files, self.folder, name)

    def check(self, name: str, severity: int) -> None:
        self._images(name)

    def read(self, name: str, severity: int) -> ImageSet:
        count = len(self.labels)
        images = torch.from_numpy(self._images(name)).movedim(3, 1)
        return ImageSet(images[(severity - 1) * count : severity * count], self.labels)

    @cached_property
    def labels(self) -> Tensor:
        """The classes of the n images of each severity, int64 (n,). Raises ValueError."""
        path = self.folder / LABELS
        labels = mapped(path)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or len(labels) % len(SEVERITIES):
            raise ValueError(
                f"{path} has {labels.dtype} of shape {labels.shape}: it must be integers (5 n,), n for each severity"
            )
        blocks = labels.reshape(len(SEVERITIES), -1)
        if (blocks != blocks[0]).any():
            raise ValueError(f"{path}: its five parts, one for each severity, differ; they must be the same labels five times")
        if set(blocks[0].tolist()) != set(range(len(self.classes))):
            raise ValueError(
                f"{path} has {len(np.unique(labels))} classes from {labels.min()} to {labels.max()}: the data set has"
                f" {len(self.classes)}, from 0 to {len(self.classes) - 1}, and all must occur"
            )
        return torch.from_numpy(blocks[0].astype(np.int64))

    def _images(self, name: str) -> np.ndarray:
        """The images of all severities, uint8 (5 n, H, W, 3). Raises ValueError."""
        path = self.place(self.folder, name)
        images = mapped(path)
        channels, height, width = self.image_shape
        shape = (len(SEVERITIES) * len(self.labels), height, width, channels)
        if images.shape != shape or images.dtype != np.uint8:
            raise ValueError(
                f"{path} has {images.dtype} of shape {images.shape}: it must be uint8 {shape}, for {LABELS} has {shape[0]}"
                f" labels and the data set's images have {width}x{height} pixels"
            )
        return images


def mapped(path: Path) -> np.ndarray:
    """The array of an npy file, read from the disk where it is indexed; changes to it stay in memory.

    Raises ValueError for what is missing, cut off or no npy file of numbers; pickled objects are never loaded.
    """
    if not path.is_file():
        raise ValueError(f"{path} is missing: unpack the official files again")
    try:
        return np.lib.format.open_memmap(path, mode="c")
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{path} is no npy file of numbers, or is cut off ({error}): unpack the official files again"
        ) from error
