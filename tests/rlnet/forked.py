"""`python ARGUMENTS` in a process of its own that need not import torch: it is forked from one that has.

It runs the same program as a process that was started anew; it can be killed, interrupted and waited for in the same way, and
shares nothing with the tests but its arguments and environment. What is about how a process starts starts one.
"""

import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
LOADED = (  # what commands import sooner or later
    "torch._dynamo",  # by optimizers
    "rlnet.stages.student",
    "rlnet.evaluation.full",
    "rlnet.evaluation.of_file",
    "rlnet.nas.whole",
    "onnxscript",
    "networkx",
    "sklearn.datasets",
    "docstring_parser",
)


def _load_too(modules: Sequence[str]) -> None:
    """Has the one process that all forks of this worker come from import these, too."""
    others = [name for name in forkserver._forkserver._preload_modules if name != "__main__"]
    CONTEXT.set_forkserver_preload([*others, *(name for name in modules if name not in others)])


class Forked:
    """What tests use of `subprocess.Popen`: pid, stderr, poll, communicate, returncode, kill. stdout goes to a file."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], stdout: Path) -> None:
        """arguments: -m MODULE ..., -c PROGRAM ... or SCRIPT ...; environment: what is added to that of the tests."""
        _load_too(LOADED)
        reader, writer = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_run, args=(list(arguments), {**os.environ, **environment}, stdout, writer))
        self._process.start()
        writer.close()
        self.pid, self._stdout = self._process.pid, stdout
        self.stderr = os.fdopen(os.dup(reader.fileno()))
        reader.close()

    @property
    def returncode(self) -> int | None:
        """That of the process, and -9 where it was killed; None while it runs."""
        return self._process.exitcode

    @property
    def sentinel(self) -> int:
        """What `multiprocessing.connection.wait` waits for: its end."""
        return self._process.sentinel

    def poll(self) -> int | None:
        return self.returncode

    def wait(self) -> int:
        self._process.join()
        return self.returncode

    def communicate(self) -> tuple[str, str]:
        """All of stdout and the rest of stderr, when the process has ended."""
        with self.stderr:
            rest = self.stderr.read()
        self.wait()
        return self._stdout.read_text(), rest

    def kill_group(self) -> None:
        """Ends the process and its children at once, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()
        self.stderr.close()


def _run(arguments: list[str], environment: dict[str, str], stdout: Path, stderr: Connection) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    with stdout.open("w") as file:
        os.dup2(file.fileno(), 1)
    os.dup2(stderr.fileno(), 2)
    stderr.close()
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.argv = ["-c", *arguments[2:]]
        exec(arguments[1], {"__name__": "__main__"})
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")
