"""Whole commands as processes of their own, alone or as two ranks."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from .forked import Forked


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts `python ARGUMENTS` in a process group of its own, which ends with the test at the latest.

    It takes Ctrl-C, also where the tests themselves run in the background, whose processes inherit that they ignore it.
    """
    started = []
    ours = signal.signal(signal.SIGINT, signal.default_int_handler)

    def run(*arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
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
def fork(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Forked]]:
    """Does what `start` does within a moment: fork(*arguments, **environment)."""
    started, folder = [], tmp_path_factory.mktemp("printed")

    def run(*arguments: str, **environment: str) -> Forked:
        process = Forked(arguments, environment, folder / f"{len(started)}.txt")
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill_group()


@pytest.fixture
def torchrun(start: Callable[..., subprocess.Popen]) -> Callable[..., tuple[int, str, str]]:
    """Runs a module or script on two ranks; returns the exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        process = start("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *arguments)
        out, err = process.communicate()
        return process.returncode, out, err

    return run


@pytest.fixture
def two_ranks(fork: Callable[..., Forked]) -> Callable[..., str]:
    """Runs tests/rlnet/two_ranks.py ARGUMENTS as torchrun would, on two ranks, which must succeed; returns what they print.

    They meet at a store that is open before they are, as under torchrun.
    """
    from torch.distributed import TCPStore

    def run(*arguments: str) -> str:
        store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
        place = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
        script = str(Path(__file__).with_name("two_ranks.py"))
        ranks = [
            fork(script, *arguments, RANK=str(i), LOCAL_RANK=str(i), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", **place)
            for i in range(2)
        ]
        while all(rank.poll() is None for rank in ranks):
            wait([rank.sentinel for rank in ranks])
        for rank in ranks:
            if any(other.poll() for other in ranks):  # who waits for one that failed waits for ever
                rank.kill_group()
        printed = "\n".join(text for rank in ranks for text in rank.communicate())
        assert [rank.returncode for rank in ranks] == [0, 0], printed
        return printed

    return run
