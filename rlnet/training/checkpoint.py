"""Checkpoints: tensors and plain values in one file, written atomically and read without executing anything in it."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

FORMAT = "rlnet-checkpoint"
VERSION = 1


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Lets `write` fill a file that takes the place of `path` only when it is whole and on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint of tensors, numbers, texts, lists and dicts."""
    write_atomically(path, lambda file: torch.save({**content, "format": FORMAT, "version": VERSION}, file))


def load(path: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """The content of a checkpoint. Raises ValueError for a file that is damaged or not ours; never executes its content."""
    try:
        with zipfile.ZipFile(path) as archive:
            if record := archive.testzip():  # torch.load compares no checksum
                raise zipfile.BadZipFile(f"{record} has not the checksum it was written with")
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"there is no checkpoint {path}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(
            f"{path} is damaged or not a checkpoint of this program; delete it to start that stage anew"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is a torch file, but not a checkpoint of this program; delete it or name another folder")
    if content.get("version") != VERSION:
        raise ValueError(
            f"{path} has version {content.get('version')}, this program reads {VERSION}; use the one that wrote it"
        )
    return content
