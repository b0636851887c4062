"""Work on many files, in threads; a progress bar appears when it takes longer than two seconds."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.progress import Progress

CHUNK = 256
PROGRESS_AFTER_S = 2.0


def in_threads(work: Callable[[slice], object], total: int, what: str, threads: int | None = None) -> None:
    """Calls work(part) for parts that cover range(total), in `threads` threads or one a core; what: said beside the bar.

    The first error ends it and is raised.
    """
    progress = Progress(console=Console(stderr=True), transient=True)
    task = progress.add_task(what, total=total)
    begin = time.monotonic()
    parts = [slice(start, min(start + CHUNK, total)) for start in range(0, total, CHUNK)]
    executor = ThreadPoolExecutor(threads or os.cpu_count())
    try:
        for part, _ in zip(parts, executor.map(work, parts), strict=True):
            progress.advance(task, part.stop - part.start)
            if not progress.live.is_started and time.monotonic() - begin > PROGRESS_AFTER_S:
                progress.start()
    finally:
        executor.shutdown(cancel_futures=True)
        if progress.live.is_started:
            progress.stop()
