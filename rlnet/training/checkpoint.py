"""Checkpoints: tensors and plain values in one file, written atomically and read without executing anything in it."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from masks.atomic_file import write_atomically

FORMAT = "rlnet-checkpoint"
VERSION = 1


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint of tensors, numbers, texts, lists and dicts."""
    buffer = io.BytesIO()  # into a file, torch.save hides the OSError of a full disk behind a RuntimeError of its own
    torch.save({**content, "format": FORMAT, "version": VERSION}, buffer)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))


def load(path: Path, device: torch.device | str = "cpu", remedy: str = "name another file") -> dict[str, Any]:
    """The content of a checkpoint. Raises ValueError for a file that is damaged or not ours; never executes its content.

    remedy: what the error tells a person to do about it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if record := archive.testzip():  # torch.load compares no checksum
                raise zipfile.BadZipFile(f"{record} has not the checksum it was written with")
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"there is no checkpoint {path}; {remedy}") from None
    except Exception as error:  # a damaged pickle can raise anything
        what = "is empty" if path.stat().st_size == 0 else "is damaged or not a checkpoint of this program"
        raise ValueError(f"{path} {what}; {remedy}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is a torch file, but not a checkpoint of this program; {remedy}")
    if content.get("version") != VERSION:
        raise ValueError(
            f"{path} has version {content.get('version')}, this program reads {VERSION}; use the one that wrote it"
        )
    return content
