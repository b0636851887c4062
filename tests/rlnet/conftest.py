"""Whole commands as processes of their own, alone or under torchrun."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts `python ARGUMENTS` on one thread, in a process group of its own, which ends with the test at the latest.

    It takes Ctrl-C, also where the tests themselves run in the background, whose processes inherit that they ignore it.
    """
    started = []
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        return process

    yield run
    signal.signal(signal.SIGINT, ours)
    for process in started:
        with process, contextlib.suppress(ProcessLookupError):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def torchrun(start: Callable[..., subprocess.Popen]) -> Callable[..., tuple[int, str, str]]:
    """Runs a module or script on two ranks; returns the exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        process = start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *arguments)
        out, err = process.communicate(timeout=280)
        return process.returncode, out, err

    return run
