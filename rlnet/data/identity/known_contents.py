"""Digests of files as they were remembered: one .npz for each part of a data set, some 90 bytes a file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from masks.atomic_file import write_atomically
from rlnet.data.files.file_list import FileList
from rlnet.data.identity.cache_folders import cache_folders

VERSION = 1
DIGEST_BYTES = 16
STATS = ("size", "mtime", "ctime", "inode")


def recall(files: FileList, stats: np.ndarray, root: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Digests (N, 16) of the files whose stats (N, 4) are as they were, and which (N,) those are; the rest are zeros.

    A file of digests that is absent or damaged is one that knows nothing.
    """
    found = np.zeros((len(files), DIGEST_BYTES), dtype=np.uint8)
    known = np.zeros(len(files), dtype=bool)
    for text, old_stats, old_digests in _remembered(root, name):
        rows = _rows(files, text)
        same = ~known & (rows >= 0)
        same[same] = (old_stats[rows[same]] == stats[same]).all(1)
        found[same] = old_digests[rows[same]]
        known |= same
        if known.all():
            break
    return found, known


def remember(files: FileList, stats: np.ndarray, digests: np.ndarray, root: Path, name: str) -> None:
    """Writes what `recall` reads, whole or not at all, to the first of the cache's folders that can be written to."""
    arrays = {
        "version": np.array(VERSION),
        "names": np.frombuffer(_text(files), dtype=np.uint8),
        "stats": stats,
        "digests": digests,
    }
    for folder in cache_folders(root):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / _file(name), lambda file: np.savez(file, **arrays))
            return
        except OSError:
            continue  # read-only or full; where there is no other, all is read again next time


def _remembered(root: Path, name: str) -> Iterator[tuple[bytes, np.ndarray, np.ndarray]]:
    for folder in cache_folders(root):
        try:
            with open(folder / _file(name), "rb") as file, np.load(file) as stored:
                version, names, stats, digests = (stored[key] for key in ("version", "names", "stats", "digests"))
            text = names.tobytes()
            count = text.count(b"\0")
            sound = version == VERSION and stats.shape == (count, len(STATS)) and digests.shape == (count, DIGEST_BYTES)
        except Exception:
            continue  # absent; or damaged, which zip and npy files report in a dozen ways
        if sound:
            yield text, stats, digests


def _rows(files: FileList, text: bytes) -> np.ndarray:
    """The place (N,) of each file among the names that a text holds; -1 where it is not."""
    if text == _text(files):
        return np.arange(len(files))
    places = {name: place for place, name in enumerate(text.split(b"\0")[:-1])}
    return np.fromiter((places.get(name, -1) for name in files.names()), dtype=np.int64, count=len(files))


def _text(files: FileList) -> bytes:
    return b"".join(name + b"\0" for name in files.names())


def _file(name: str) -> str:
    return f"contents-{name}.npz"
