"""The files below a folder: links are followed, clutter is left out, and what can't be followed is refused by name."""

import os
from collections.abc import Iterator
from pathlib import Path

from rlnet.data.files.shown import shown

# What systems leave in folders of images, and copies of the images among it; hidden entries are left out too.
CLUTTER = {b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"__macosx", b"$recycle.bin", b"@eadir", b"lost+found", b"icon\r"}
CLUTTER |= {b"system volume information"}
Identity = tuple[int, int]


def listed(folder: Path | bytes) -> tuple[list[bytes], list[bytes]]:
    """The names of the files and of the folders in a folder, each sorted, without hidden ones and clutter.

    Raises ValueError for a link that leads nowhere, for what is neither file nor folder, and where reading is not allowed.
    """
    files, folders = [], []
    try:
        with os.scandir(os.fsencode(folder)) as entries:
            for entry in entries:
                if entry.name.startswith(b".") or entry.name.lower() in CLUTTER:
                    continue
                if entry.is_symlink():
                    _check_link(entry.path)
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
                else:
                    raise ValueError(f"{shown(entry.path)} is neither a file nor a folder (a pipe or a device): remove it")
    except OSError as error:
        raise ValueError(f"{shown(folder)} cannot be read ({error.strerror}): allow reading it, or take it away") from error
    return sorted(files), sorted(folders)


def files_below(folder: Path) -> Iterator[bytes]:
    """The names, relative to `folder`, of all files in it and in its folders, sorted folder by folder.

    Raises ValueError as `listed`, and for a folder that links lead back into.
    """
    top = os.fsencode(folder)
    real = Path(os.path.realpath(folder))
    above = {_identity(os.fsencode(parent)): parent for parent in reversed(real.parents)}
    above[_identity(top)] = folder
    pending = [_Level(top, b"", None)]
    while pending:
        level = pending[-1]
        for name in level.names:
            if name in level.folders:
                path = top + b"/" + level.prefix + name
                identity = _identity(path)
                if identity in above:
                    raise ValueError(
                        f"{shown(path)} leads back to {shown(above[identity])}, in which it lies: remove that link"
                    )
                above[identity] = Path(os.fsdecode(path))
                pending.append(_Level(path, level.prefix + name + b"/", identity))
                break
            yield level.prefix + name
        else:
            pending.pop()
            above.pop(level.identity, None)


class _Level:
    """A folder on the way down, and which of its entries are still to come."""

    def __init__(self, path: bytes, prefix: bytes, identity: Identity | None):
        files, folders = listed(path)
        self.prefix, self.identity, self.folders = prefix, identity, set(folders)
        self.names = iter(sorted(files + folders) if folders else files)


def _identity(folder: bytes) -> Identity:
    try:
        stat = os.stat(folder)
    except OSError as error:
        raise ValueError(f"{shown(folder)} cannot be read ({error.strerror}): allow reading it, or take it away") from error
    return stat.st_dev, stat.st_ino


def _check_link(path: bytes) -> None:
    try:
        os.stat(path)
    except OSError as error:
        target = shown(os.readlink(path))
        raise ValueError(
            f"{shown(path)} is a symbolic link to {target}, which cannot be reached ({error.strerror}): mend or remove it"
        ) from error
