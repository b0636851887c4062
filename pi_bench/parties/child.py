"""One party's process as the one that started it sees it: its line, its output, its end."""

import contextlib
import json
import os
import select
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from subprocess import DEVNULL, Popen
from typing import IO, Any

from pi_bench.wire.control import Control
from pi_bench.wire.messages import ProtocolError

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_CORES = {"server": 0, "client": 1}  # the dealer has nothing to do online
_TAIL_BYTES = 4000


@dataclass(frozen=True)
class Ended:
    """How a party ended: its exit code (negative: the signal), and the last lines it wrote."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        lines = self.stderr.strip().splitlines()
        return lines[-1].removeprefix("error: ") if lines else "it said nothing"


class Child:
    """A party's process, in a session of its own so that Ctrl-C reaches the parent alone. pidfd: readable when it has ended."""

    def __init__(self, role: str, command: Sequence[str], listener: socket.socket | None, threads: int = 1):
        """Adds --parent-fd and, with a listening socket to inherit, --listen-fd to the command."""
        self.role = role
        self.ended: Ended | None = None
        self._parts: list[str] = []
        ours, theirs = socket.socketpair()
        inherited = [theirs] if listener is None else [theirs, listener]
        names = ("--parent-fd", "--listen-fd")
        extra = [word for name, end in zip(names, inherited, strict=False) for word in (name, str(end.fileno()))]
        self._stdout, self._stderr = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115, closed by `close`
        with theirs:
            self.process = Popen(
                [*command, *extra],
                stdin=DEVNULL,
                stdout=self._stdout,
                stderr=self._stderr,
                pass_fds=[end.fileno() for end in inherited],
                env=os.environ | dict.fromkeys(_THREADS, str(threads)),
                start_new_session=True,
            )
        self.control = Control(role, ours)
        self.pidfd = os.pidfd_open(self.process.pid)
        if threads == 1:
            _pin(role, self.process.pid)

    def read(self, on_report: Callable[[str, Any], None]) -> bool:
        """Takes what the party has sent; False when it sends no more."""
        try:
            messages = self.control.read()
        except ConnectionError:
            self.control.open = False
            return False
        except ProtocolError:  # not one of our programs: it would never be understood
            self.hang_up()
            self.process.kill()
            return False
        for kind, content in messages:
            if kind == "report":
                on_report(self.role, content)
            elif kind == "part":
                self._parts.append(content)
            elif kind == "object":
                whole = json.loads("".join(self._parts)) if self._parts else content
                self._parts.clear()
                self.control.objects.append((kind, whole))
        return True

    def reap(self, on_report: Callable[[str, Any], None]) -> Ended:
        """What is left of the process, which has ended: its last messages, exit code and output."""
        poll = select.poll()
        poll.register(self.control.connection if self.control.open else self.pidfd, select.POLLIN)
        while self.control.open and poll.poll(0):
            self.read(on_report)
        self.ended = Ended(self.process.wait(), _tail(self._stdout), _tail(self._stderr))
        return self.ended

    def hang_up(self) -> None:
        """Closes the line, upon which the party ends itself."""
        self.control.open = False
        self.control.connection.close()

    def close(self) -> None:
        """Frees what is held for it; the process has ended."""
        self.hang_up()
        os.close(self.pidfd)
        self._stdout.close()
        self._stderr.close()


def _pin(role: str, pid: int) -> None:
    cores = sorted(os.sched_getaffinity(0))
    if role in _CORES and len(cores) >= len(_CORES):
        with contextlib.suppress(ProcessLookupError):  # it has ended already, which is found out in a moment
            os.sched_setaffinity(pid, {cores[_CORES[role]]})


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
    return file.read().decode(errors="replace")
