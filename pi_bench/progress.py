"""Progress of what takes longer than two seconds: a bar on a terminal, now and then a line elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=True)
LINE_EVERY_S = 10.0


@contextmanager
def bar(name: str, total: int) -> Iterator[Callable[[str], None]]:
    """Gives a function to call after each of `total` steps, with what is being done."""
    if not console.is_terminal:
        yield _lines(name, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=total, note="")
        yield lambda note: progress.update(task, advance=1, note=note)


def _lines(name: str, total: int) -> Callable[[str], None]:
    done, last = 0, time.monotonic()

    def advance(note: str) -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last >= LINE_EVERY_S or done == total:
            last = time.monotonic()
            console.print(f"{name}: {done} of {total}, {note}")

    return advance
