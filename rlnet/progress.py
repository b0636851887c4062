"""Progress on everything that takes longer than two seconds: bars with the time left, or plain lines where nobody looks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rlnet.training import distributed

console = Console(stderr=True)


class Bar:
    """One running task: `advance` after each unit of work, `note` for what it has found so far."""

    def __init__(self, name: str, total: int, done: int, progress: Progress | None):
        self._progress = progress
        self._task = None if progress is None else progress.add_task(name, total=total, completed=done, note="")
        self._name = name

    def advance(self, units: int = 1) -> None:
        if self._progress is not None:
            self._progress.advance(self._task, units)

    def note(self, text: str) -> None:
        """A short text beside the bar; without a terminal, a line of its own."""
        if self._progress is not None:
            self._progress.update(self._task, note=text)
        elif distributed.rank() == 0:
            print(f"{self._name}: {text}", file=sys.stderr, flush=True)


@contextmanager
def bar(name: str, total: int, done: int = 0, *, as_percentage: bool = False) -> Iterator[Bar]:
    """A progress bar over `total` units of which `done` are there already. Only the first rank shows one.

    as_percentage: units mean nothing to people; show how much of the whole is done.
    """
    if distributed.rank() != 0 or not console.is_terminal:
        yield Bar(name, total, done, None)
        return
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TaskProgressColumn() if as_percentage else MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(name, total, done, progress)
