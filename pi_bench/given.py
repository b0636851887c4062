"""Files and folders that a user names, looked at before anything is loaded: what is missing is said within a second."""

from collections.abc import Iterable
from pathlib import Path

MAX_MODEL_BYTES = 2**31


def check_model(path: Path) -> None:
    """Raises OSError or ValueError where there is no file that could be an ONNX model; it is not read."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; name the .onnx file in it")
    size = path.stat().st_size
    if size > MAX_MODEL_BYTES:
        raise ValueError(f"{path} has {size:,} bytes; at most {MAX_MODEL_BYTES:,} can be read")


def check_there(paths: Iterable[Path | None]) -> None:
    """Raises OSError for a path that leads nowhere; None is nothing that was given."""
    for path in paths:
        if path is not None:
            path.stat()


def check_ahead(ahead: int, folder: Path | None) -> None:
    """Raises ValueError for a number of inferences ahead, or a folder for what they hold, that cannot be."""
    if ahead < 0:
        raise ValueError(f"ahead is {ahead}: 0 inferences or more can be prepared")
    if folder is not None and not folder.is_dir():
        raise ValueError(f"ahead_folder is {folder}, which is no folder; make it, or leave it out to keep all in memory")
