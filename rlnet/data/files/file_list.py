"""A million files in two arrays and one text: their names take as much memory as their letters, and some numbers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import fsdecode, fsencode
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class FileList(Sequence[Path]):
    """N files below `root`, in an order.

    text: their names relative to root, as bytes of the file system, each closed by a zero byte, which no name has;
    starts, ends: int64 (N,), where each name lies in the text.
    """

    root: Path
    text: bytes
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, root: Path, names: Iterable[bytes]) -> "FileList":
        """The files of these names."""
        text = b"".join(name + b"\0" for name in names)
        ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == 0).astype(np.int64)
        return cls(root, text, np.concatenate(([0], ends[:-1] + 1)).astype(np.int64)[: len(ends)], ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> Path:
        return self.root / fsdecode(self.name(index))

    def name(self, index: int) -> bytes:
        """The name of one file, relative to root."""
        return self.text[self.starts[index] : self.ends[index]]

    def names(self, part: slice = slice(None)) -> Iterator[bytes]:
        """The names of the files of a part, relative to root."""
        for start, end in zip(self.starts[part].tolist(), self.ends[part].tolist(), strict=True):
            yield self.text[start:end]

    def paths(self, part: slice = slice(None)) -> Iterator[bytes]:
        """The files of a part, as the system calls that take bytes want them."""
        base = fsencode(self.root) + b"/"
        for name in self.names(part):
            yield base + name

    def subset(self, indices: np.ndarray) -> "FileList":
        """The files of indices (B,), in that order."""
        return FileList(self.root, self.text, self.starts[indices], self.ends[indices])
