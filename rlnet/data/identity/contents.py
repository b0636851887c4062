"""Digests of what files hold; those of files that have not changed since they were last read are remembered.

A file is taken to be unchanged if its size, its inode and both its times are: that of its contents, which tools set back
(`cp -p`, `rsync -t`, `touch -r`), and that of the system (ctime), which nobody can. Times are coarse, so a file that
was changed within RACY_NS before it was read may be changed again without another time: it is read again next time, as git
does with its "racily clean" entries. A file system that keeps no ctime, such as FAT, leaves only size and contents' time,
and a file server whose clock runs behind by more than RACY_NS only the chance that nobody writes just then.

100,000 files of 4 kB take 3 s the first time and 0.9 s afterwards, in the memory of their names and 50 bytes each (two cores,
files in the system's memory); a million take ten times that. Reading from a disk comes on top the first time.
"""

import os
import time
from hashlib import blake2b
from pathlib import Path

import numpy as np

from rlnet.data.files.file_list import FileList
from rlnet.data.files.in_threads import in_threads
from rlnet.data.files.shown import shown
from rlnet.data.identity.known_contents import DIGEST_BYTES, STATS, recall, remember

RACY_NS = 2_000_000_000  # FAT counts in two seconds, some network file systems in one
PIECE_BYTES = 1 << 20
READERS = max(8, os.cpu_count() or 1)  # disks and file servers answer many questions at once


def digests(files: FileList, root: Path, name: str) -> np.ndarray:
    """Digests (N, 16), uint8, of the contents of files. root: of the data set, where they are remembered under `name`.

    Raises ValueError for a file that cannot be read.
    """
    begun = time.time_ns()
    stats = _stats(files)
    found, known = recall(files, stats, root, name)
    todo = np.flatnonzero(~known)
    unknown = files.subset(todo)

    def read(part: slice) -> None:
        for row, path in zip(todo[part].tolist(), unknown.paths(part), strict=True):
            found[row] = np.frombuffer(content_digest(path), dtype=np.uint8)

    in_threads(read, len(todo), f"reading {len(todo):,} files to know them again", READERS)
    settled = stats[:, STATS.index("ctime")] < begun - RACY_NS
    if settled[todo].any():
        remember(files, np.where(settled[:, None], stats, -1), found, root, name)
    return found


def content_digest(path: bytes) -> bytes:
    """The digest of what one file holds, of DIGEST_BYTES. Raises ValueError."""
    digest = blake2b(digest_size=DIGEST_BYTES)
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while piece := os.read(file, PIECE_BYTES):
                digest.update(piece)
                if len(piece) < PIECE_BYTES:
                    break
        finally:
            os.close(file)
    except OSError as error:
        raise ValueError(f"{shown(path)} cannot be read ({error.strerror}): allow reading it, or take it away") from error
    return digest.digest()


def _stats(files: FileList) -> np.ndarray:
    """What tells an unchanged file, int64 (N, 4), in the order of STATS."""
    stats = np.empty((len(files), len(STATS)), dtype=np.int64)

    def look(part: slice) -> None:
        rows = []
        for path in files.paths(part):
            try:
                found = os.stat(path)
            except OSError as error:
                raise ValueError(f"{shown(path)} has gone ({error.strerror}) since its folder was read: start again") from error
            rows.append((found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino))
        # Inodes are unsigned; only whether they are the same matters.
        stats[part] = np.array(rows, dtype=np.uint64).astype(np.int64)

    in_threads(look, len(files), f"looking at {len(files):,} files", READERS)
    return stats
