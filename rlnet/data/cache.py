"""Decoded images kept in a file, found again by the names, sizes and times of the files they came from."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from masks.atomic_file import write_atomically

VERSION = 1


def file_key(paths: Sequence[Path], root: Path, settings: str) -> str:
    """A name that changes when a file is added, removed, renamed or rewritten, or when the settings change."""
    digest = hashlib.sha256(f"{VERSION} {settings}".encode())
    for path in paths:
        stat = os.stat(path)
        digest.update(f"\n{path.relative_to(root).as_posix()}\0{stat.st_size}\0{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:32]


def cached(folder: Path, key: str, shape: tuple[int, ...], make: Callable[[], np.ndarray]) -> np.ndarray:
    """The uint8 array that `make` makes, from folder/key.npz if that is sound, else made and kept.

    npz files carry checksums. A folder that cannot be written to only means that nothing is kept.
    """
    path = folder / f"{key}.npz"
    try:
        with open(path, "rb") as file, np.load(file) as stored:
            array = stored["images"]
        if array.shape == shape and array.dtype == np.uint8:
            return array
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # absent or damaged: made again
    array = make()
    try:
        folder.mkdir(exist_ok=True)
        write_atomically(path, lambda file: np.savez(file, images=array))
    except OSError:
        pass  # read-only or full
    return array
