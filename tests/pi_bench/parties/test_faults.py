"""Parties that die, hang, never arrive or don't fit, by the commands that a user types: it is said who, and nothing is left."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pi_bench.parties.launch import PartiesFailed
from pi_bench.parties.local import LocalParties
from pi_bench.protocols.settings import Settings
from pi_bench.wire.network import Network

ROLES = ("server", "client", "dealer")
SLOW = Network("custom", 200.0, 1000.0, True)  # an inference takes some ten seconds, so that a party is lost within
NOTICED_S = 10.0


@pytest.fixture
def folder(make_student: Callable[..., Path], tmp_path: Path) -> Path:
    """A network and images."""
    (tmp_path / "network.onnx").symlink_to(make_student())
    np.savez(tmp_path / "images.npz", images=np.random.default_rng(0).random((2, 1, 8, 8), np.float32))
    return tmp_path


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that its parent has not collected yet has too)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # it may end between opening and reading
        return True


@dataclass
class Loss:
    """Loses a party in the middle of an inference. pids: all parties'; ended_s: how long after that each other one ended."""

    pids: dict[str, int] = field(default_factory=dict)
    ended_s: dict[str, float] = field(default_factory=dict)

    def during_an_inference(self, folder: Path, role: str, number: int) -> None:
        with LocalParties(folder / "network.onnx", folder / "images.npz", Settings(), SLOW) as parties:
            self.pids = parties.pids
            self.thread = threading.Timer(1.5, self._lose, (role, number))
            self.thread.start()
            parties.infer([0], SLOW)

    def _lose(self, role: str, number: int) -> None:
        os.kill(self.pids[role], number)
        start, others = time.monotonic(), self.pids.keys() - {role}
        while self.ended_s.keys() != others and time.monotonic() < start + 60:
            now_s = time.monotonic() - start
            self.ended_s.update({other: now_s for other in others - self.ended_s.keys() if gone(self.pids[other])})
            time.sleep(0.05)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSTOP, "silent")], ids=["dies", "hangs"])
def test_a_party_is_lost_in_the_middle(number: int, words: str, role: str, folder: Path) -> None:
    """The others end within ten seconds; then the benchmark ends all, the stopped one too, and says who it was."""
    loss = Loss()
    with pytest.raises(PartiesFailed) as error:
        loss.during_an_inference(folder, role, number)
    loss.thread.join()
    assert role in str(error.value) and words in str(error.value)
    assert len(loss.ended_s) == 2 and max(loss.ended_s.values()) < NOTICED_S
    assert all(gone(pid) for pid in loss.pids.values())


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Start:
    """Starts a party by hand; ends what still runs when the test does."""
    processes = []

    def started(role: str, url: str, *flags: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "pi_bench", "party", "--role", role, "--rendezvous", url, "--timeout-s", "15", *flags]
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    yield started
    for process in processes:
        process.kill()
        process.communicate()


def free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def port_is_free(url: str) -> bool:
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        return True


def test_one_that_never_arrives(start: Start, folder: Path) -> None:
    url = free_url()
    server = start("server", url, "--model", str(folder / "network.onnx"), "--timeout-s", "4")
    dealer = start("dealer", url, "--timeout-s", "4")
    errors = [process.communicate(timeout=60)[1] for process in (server, dealer)]
    assert server.returncode == 3 and dealer.returncode == 3
    assert all("client" in error and "arrive" in error for error in errors), errors
    assert port_is_free(url)


REFUSALS = {
    "protocols": (["--protocol", "crypten-plain"], "protocol crypten-plain"),
    "precisions": (["--precision-bits", "14"], "precision_bits 14"),
    "batches": (["--batch", "2"], "batch 2"),
    "models": (["--digest", "0" * 64], "digest"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_parties_that_do_not_fit_refuse_each_other(name: str, start: Start, folder: Path) -> None:
    flags, words = REFUSALS[name]
    url = free_url()
    server = start("server", url, "--model", str(folder / "network.onnx"))
    dealer = start("dealer", url)
    client = start("client", url, "--inputs", str(folder / "images.npz"), *flags)
    errors = {role: process.communicate(timeout=60)[1] for role, process in zip(ROLES, (server, client, dealer), strict=True)}
    assert words in errors["client"] and words in errors["server"], errors
    assert client.returncode != 0 and server.returncode != 0 and dealer.returncode != 0
    assert port_is_free(url)


def test_three_parties_started_by_hand(start: Start, folder: Path, make_student: Callable[..., Path], tmp_path: Path) -> None:
    """The client measures and writes a card, which says what mode the server chose; all end well."""
    url, card = free_url(), tmp_path / "card.json"
    server = start("server", url, "--model", str(make_student(mode="both")), "--mode", "adversarial")
    dealer = start("dealer", url)
    flags = ["--inputs", str(folder / "images.npz"), "--repeats", "3", "--warmups", "1", "--card", str(card)]
    client = start("client", url, *flags)
    ended = [process.communicate(timeout=90) for process in (server, client, dealer)]
    assert [process.returncode for process in (server, client, dealer)] == [0, 0, 0], ended
    assert json.loads(card.read_text())["model"]["mode"] == "adversarial"
    assert "semi-honest" in ended[1][0]
