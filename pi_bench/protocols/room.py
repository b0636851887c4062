"""Room for what a dealer sends: in memory, or in files of a folder, which nobody else can open and which end with their use."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


@dataclass
class Room:
    """Makes tensors to receive into. folder: where; None for memory. disk_bytes: how much has been made there."""

    folder: Path | None = None
    disk_bytes: int = 0

    def make(self, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
        """int64 tensors of the shapes. Raises OSError where the folder cannot hold them."""
        if self.folder is None or not shapes:
            return [torch.empty(shape, dtype=torch.int64) for shape in shapes]
        sizes = [prod(shape) for shape in shapes]
        with tempfile.TemporaryFile(dir=self.folder) as file:  # without a name, so it is gone when the last tensor is
            os.posix_fallocate(file.fileno(), 0, 8 * sum(sizes))
            words = torch.from_numpy(np.memmap(file, np.int64, "r+"))
        self.disk_bytes += 8 * sum(sizes)
        return [part.reshape(shape) for part, shape in zip(words.split(sizes), shapes, strict=True)]
