"""The outcomes of finished pieces of work, kept in a folder so that an interrupted evaluation goes on where it was."""

import json
import os
from pathlib import Path
from typing import IO, Self

Outcome = dict[str, list]
"""What was found of each image of a piece of work, by name."""


class Journal:
    """Outcomes by key; every rank adds lines to a file of its own and reads those of all. Used as a context.

    folder: where `journal-RANK.jsonl` lie; None keeps nothing. A line that a kill cut off counts for nothing, and its work is
    done again. Keys say all that an outcome depends on, so that outcomes of other settings can lie beside these.
    """

    def __init__(self, folder: Path | None, rank: int):
        self.found: dict[str, Outcome] = {}
        self._file: IO[bytes] | None = None
        if folder is None:
            return
        for path in sorted(folder.glob("journal-*.jsonl")):
            for line in path.read_bytes().splitlines():
                self._read(line)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"journal-{rank}.jsonl"
        is_cut_off = path.exists() and not path.read_bytes().endswith(b"\n")
        self._file = open(path, "ab")  # noqa: SIM115 -- closed on leaving the context
        if is_cut_off:
            self._file.write(b"\n")  # so that it stays one line

    def _read(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
            self.found[entry["key"]] = entry["outcome"]
        except (ValueError, TypeError, KeyError):
            pass

    def add(self, key: str, outcome: Outcome) -> None:
        """Keeps an outcome; it outlives this process from here on."""
        self.found[key] = outcome
        if self._file is not None:
            self._file.write(json.dumps({"key": key, "outcome": outcome}, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def delete(self) -> None:
        """Forgets what is on the disk, also what ranks kept there that are no longer."""
        if self._file is not None:
            for path in Path(self._file.name).parent.glob("journal-*.jsonl"):
                path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()
