"""Files that are whole or not there: a reader never sees half of one, whatever stops the writer."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Lets `write` fill a file that takes the place of `path` only when it is whole and on the disk.

    A writer that is killed leaves `.NAME.PID.part` beside it; one that fails leaves nothing. Raises OSError.
    """
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


def write_json(path: Path, content: Any, indent: int = 2) -> None:
    """Writes plain values as JSON, whole or not at all. Raises OSError."""
    text = json.dumps(content, indent=indent) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
