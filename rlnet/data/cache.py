"""Decoded images kept in a file, found again by what the files that they came from hold.

A file is called <part>-<size>-<key>.npz. One that replaces another of its part and size removes it, as the images changed;
what was not read for a month is removed as well, so that sizes tried once do not stay. Nothing is kept where the data
set's own folder cannot be written to: decoded images are too large for a home folder.
"""

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from masks.atomic_file import write_atomically

UNUSED_S = 30 * 24 * 3600
ABANDONED_S = 24 * 3600
OURS = re.compile(r"(?P<of>(?P<part>[a-z]+)-(?P<size>[0-9]+|stored))-[0-9a-f]{32}\.npz")
FORMER = re.compile(r"[0-9a-f]{32}\.npz")
UNFINISHED = re.compile(r"\.[0-9a-z-]+\.npz\.[0-9]+\.part")


def cached(folder: Path, name: str, key: str, shape: tuple[int, ...], make: Callable[[], np.ndarray]) -> np.ndarray:
    """The uint8 array that `make` makes, from folder/name-key.npz if that is sound, else made and kept.

    npz files carry checksums. A folder that cannot be written to only means that nothing is kept.
    """
    path = folder / f"{name}-{key}.npz"
    assert OURS.fullmatch(path.name), path.name
    if (array := _stored(path, shape)) is not None:
        return array
    array = make()
    try:
        folder.mkdir(exist_ok=True)
        write_atomically(path, lambda file: np.savez(file, images=array))
        _tidy(folder, path)
    except OSError:
        pass  # read-only or full
    return array


def _stored(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        with open(path, "rb") as file, np.load(file) as stored:
            array = stored["images"]
        sound = array.shape == shape and array.dtype == np.uint8
    except Exception:
        return None  # absent; or damaged, which zip and npy files report in a dozen ways
    if not sound:
        return None
    with suppress(OSError):  # another's file, or removed by another process since
        os.utime(path)  # read now, and not to be removed for a month
    return array


def _tidy(folder: Path, newest: Path) -> None:
    """Removes decoded images that nobody reads any more. Raises OSError."""
    now = time.time()
    its = OURS.fullmatch(newest.name)["of"]
    for path in folder.iterdir():
        ours = OURS.fullmatch(path.name)
        unused_s = now - path.stat().st_mtime
        if path != newest and (
            (ours and (ours["of"] == its or unused_s > UNUSED_S))
            or FORMER.fullmatch(path.name)
            or (UNFINISHED.fullmatch(path.name) and unused_s > ABANDONED_S)
        ):
            path.unlink(missing_ok=True)
