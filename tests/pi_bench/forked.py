"""Parties as real processes that need not load torch: forked from one that has loaded what they import.

They run the same program, are killed, stopped and waited for in the same way, and share nothing with the tests but what they
are given. Some tests start `python -m pi_bench party` itself: what it takes from its environment, and what is in its memory.
"""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from multiprocessing import reduction
from typing import IO, Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [f"pi_bench.{name}" for name in ("parties.server", "parties.client", "standalone", "protocols.crypten.engine", "__main__")]
)


class Forked:
    """What `pi_bench.parties.child` uses of `subprocess.Popen`, for python -m pi_bench ... or -c PROGRAM ..."""

    def __init__(
        self, command: Sequence[str], *, stdout: IO[Any], stderr: IO[Any], pass_fds: Sequence[int] = (), **rest: Any
    ) -> None:
        """rest: what makes no difference here: there is no input, and each process is in a session of its own."""
        own = {str(fd): _Inherited(fd) for fd in pass_fds}
        streams = _Inherited(stdout.fileno()), _Inherited(stderr.fileno())
        self._process = CONTEXT.Process(target=_run, args=(list(command), *streams, own), daemon=True)
        self._process.start()
        self.pid = self._process.pid

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"the process {self.pid} has not ended in {timeout} s")
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


class _Inherited:
    """A file descriptor, which is another number in the process that gets it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __reduce__(self) -> Any:
        return _received, (reduction.DupFd(self.fd),)


def _received(sent: Any) -> int:
    return sent.detach()


def _run(command: list[str], stdout: int, stderr: int, inherited: dict[str, int]) -> None:
    from pi_bench.__main__ import main

    os.setsid()
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    _, kind, program, *words = command
    before = ("", *words)
    sys.argv = [
        program,
        *(str(inherited[word]) if flag.endswith("-fd") else word for flag, word in zip(before, words, strict=False)),
    ]
    if kind == "-c":
        exec(program, {"__name__": "__main__"})
    else:
        sys.exit(main(sys.argv[1:]))
