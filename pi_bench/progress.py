"""What is being done, on stderr: a first line at once; then a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LINE_EVERY_S = 10.0


def say(text: str) -> None:
    """A line for people, beside what a command prints for programs."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def bar(name: str, total: int) -> Iterator[Callable[[str], None]]:
    """Gives a function to call after each of `total` steps, with what is being done."""
    if not sys.stderr.isatty():
        yield _lines(name, total)
        return
    from rich.console import Console  # here, for a command's first line does not wait for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=total, note="")
        yield lambda note: progress.update(task, advance=1, note=note)


def _lines(name: str, total: int) -> Callable[[str], None]:
    done, last = 0, time.monotonic()

    def advance(note: str) -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last >= LINE_EVERY_S or done == total:
            last = time.monotonic()
            say(f"{name}: {done} of {total}, {note}")

    return advance
