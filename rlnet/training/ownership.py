"""Who may write to a folder: one process at a time, and a dead one no longer.

The owner holds a lease (filelock's `SoftFileLease`): a file `.owner` in the folder, which names process and host, and which a
thread of the owner touches every two seconds. It needs of a file system only that of two processes one makes a file, so it
holds on network file systems too. A process of this host that is gone loses the folder at once; an owner elsewhere, whose file
nobody touches for `LEASE_S`, is dead.
"""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from textwrap import shorten

from filelock import SoftFileLease, Timeout

from rlnet.training import distributed

FILE = ".owner"
LEASE_S = 60.0  # long beside the pauses of a busy machine; all processes must agree on it
TOUCH_S = 2.0
LOOK_S = 0.2
SAY_AFTER_S = 3.0


class Claim:
    """The right to write to a folder, held by the first rank for all ranks."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._lease: SoftFileLease | None = None
        self._made: list[Path] = []

    def take(self) -> None:
        """Makes this process the folder's owner. Raises ValueError, on all ranks, where another one is; it names that one."""
        problem = None
        if distributed.rank() == 0:
            try:
                problem = self._take()
            except OSError as error:  # gathered like a refusal, for no rank may wait for one that is gone
                problem = (
                    f"{self.folder}: {error.strerror or error}; nothing was lost: put that right, run the same command again"
                )
        if problem := distributed.gather(problem)[0]:
            raise ValueError(problem)

    def _take(self) -> str | None:
        """None, or why the folder cannot be had. An owner that touches its file lives, so it is enough to see it do so once."""
        self._made = [self.folder, *(place for place in self.folder.parents if not place.exists())]
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / FILE
        lease = SoftFileLease(file, lease_duration=LEASE_S, heartbeat_interval=TOUCH_S, timeout=0, thread_local=False)
        first, started, has_said = None, time.monotonic(), False
        while True:
            with suppress(Timeout):
                lease.acquire()
                self._lease = lease
                return None
            touched = _touched(file)
            first = touched if first is None else first
            if touched != first:
                remedy = "wait until it ends, or choose another --name or --runs (--output for an evaluation)"
                return f"{self.folder} belongs to {_owner(file)}; {remedy}"
            if not has_said and time.monotonic() - started > SAY_AFTER_S:
                said = f"{self.folder} belongs to {_owner(file)}; looking for at most {LEASE_S:.0f} s whether that is alive"
                print(said, file=sys.stderr, flush=True)
                has_said = True
            time.sleep(LOOK_S)

    @property
    def is_held(self) -> bool:
        """Whether this process, as the first rank, has the folder."""
        return self._lease is not None

    def check(self) -> None:
        """Raises ValueError where the folder is another process's by now, as after a pause of more than `LEASE_S`."""
        if self._lease is not None and (lost := self._lease.compromise) is not None:
            raise ValueError(
                f"{self.folder} is no longer this process's ({lost.reason}): it stood still for more than {LEASE_S:.0f} s, or "
                f"{FILE} was removed. Nothing was written since; run the same command again"
            )

    def give_back(self) -> None:
        """Lets go of the folder, and removes what `take` made where nothing was written; of one that is not held, nothing."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None
            with suppress(OSError):  # the first one that is not empty ends it
                for place in self._made:
                    place.rmdir()


@contextmanager
def owning(folder: Path) -> Iterator[Claim]:
    """Within the context the folder, which is made if need be, is this process's. Raises ValueError where it is another's."""
    claim = Claim(folder)
    claim.take()
    with ExitStack() as stack:
        stack.callback(claim.give_back)
        yield claim


def _touched(file: Path) -> int | None:
    """When the file was touched last, by the clock of its file system; None where there is none."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def _owner(file: Path) -> str:
    """Who holds a folder, in words, as its file says."""
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return "another process"
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    process, host = found.get("pid", "unknown"), found.get("host", "an unknown host").partition("?")[0]
    command = ""
    if host == socket.gethostname():
        with suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
            command = f" ({shorten(' '.join(words), 120)})"
    return f"process {process} on {host}{command}"
