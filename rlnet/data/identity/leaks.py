"""Exact copies of images in two parts of a data set: what is measured on them says nothing about other images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rlnet.data.files.class_files import ClassFiles
from rlnet.data.files.shown import shown

NAMED = 3
PURPOSES = (("train", "test"), ("validation", "test"), ("train", "validation"))
IMAGES = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Contents:
    """The files of a part, and digests (N, 16), uint8, of what they hold."""

    part: ClassFiles
    digests: np.ndarray

    def subset(self, rows: np.ndarray) -> "Contents":
        """The files of rows (B,), in that order."""
        return Contents(self.part.subset(rows), self.digests[rows])


def leaks(parts: Mapping[str, Contents]) -> str | None:
    """A sentence on the files of one part that are, byte for byte, files of another, with the first names; None without any.

    The same picture in another file format or size is not found.
    """
    sentences = [_leak(parts, *pair) for pair in PURPOSES if set(pair) <= set(parts)]
    found = [sentence for sentence in sentences if sentence is not None]
    return f"{'; '.join(found)}: remove the copies from one of the two" if found else None


def _leak(parts: Mapping[str, Contents], seen: str, judged: str) -> str | None:
    rows, originals = copies(parts[judged].digests, parts[seen].digests)
    if len(rows) == 0:
        return None
    there, here = parts[seen].part.files, parts[judged].part.files
    pairs = [
        f"{shown(here[i])} = {shown(there[j])}" for i, j in zip(rows[:NAMED].tolist(), originals[:NAMED].tolist(), strict=True)
    ]
    more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
    copied = f"{len(rows):,} of the {len(here):,} {IMAGES[judged]} images"
    return f"{copied} are exact copies of {IMAGES[seen]} images ({', '.join(pairs)}{more})"


def copies(digests: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of digests (N, 16) that others (M, 16) have too, and for each of them the first row of others that has it."""
    both = np.concatenate([others, digests]).view(np.uint64)
    order = np.lexsort(both.T)  # stable: of equal ones, the first of others comes first
    in_order = both[order]
    begins = np.append(True, (in_order[1:] != in_order[:-1]).any(1))
    firsts = np.empty(len(both), dtype=np.int64)
    firsts[order] = order[begins][np.cumsum(begins) - 1]
    originals = firsts[len(others) :]
    rows = np.flatnonzero(originals < len(others))
    return rows, originals[rows]
