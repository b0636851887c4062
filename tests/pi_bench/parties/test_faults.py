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
from pi_bench.wire.network import LOOPBACK, Network

ROLES = ("server", "client", "dealer")
SLOW = Network("custom", 1000.0, 1000.0, True)  # an inference takes some seconds online, so that a party is lost within
NARROW = Network("custom", 1.0, 0.5, True)  # and here it takes many seconds offline
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

    def during_an_inference(self, folder: Path, role: str, number: int, protocol: str, network: Network) -> None:
        with LocalParties(folder / "network.onnx", folder / "images.npz", Settings(protocol), LOOPBACK) as parties:
            self.pids = parties.pids
            self.thread = threading.Timer(1.5, self._lose, (role, number))
            self.thread.start()
            parties.infer([0], network)

    def _lose(self, role: str, number: int) -> None:
        os.kill(self.pids[role], number)
        start, others = time.monotonic(), self.pids.keys() - {role}
        while self.ended_s.keys() != others and time.monotonic() < start + 60:
            now_s = time.monotonic() - start
            self.ended_s.update({other: now_s for other in others - self.ended_s.keys() if gone(self.pids[other])})
            time.sleep(0.05)


LOSSES = [
    *(("one-trip", SLOW, role, number) for role in ROLES for number in (signal.SIGKILL, signal.SIGSTOP)),
    ("one-trip", NARROW, "client", signal.SIGKILL),
    ("one-trip", NARROW, "dealer", signal.SIGSTOP),
]


def loss_id(value: object) -> str:
    return {id(SLOW): "online", id(NARROW): "offline"}.get(id(value), getattr(value, "name", str(value)))


@pytest.mark.parametrize(("protocol", "network", "role", "number"), LOSSES, ids=loss_id)
def test_a_party_is_lost_in_the_middle(protocol: str, network: Network, role: str, number: int, folder: Path) -> None:
    """The others end within ten seconds; then the benchmark ends all, the stopped one too, and says who it was."""
    loss, words = Loss(), {signal.SIGKILL: "SIGKILL", signal.SIGSTOP: "silent"}[number]
    with pytest.raises(PartiesFailed) as error:
        loss.during_an_inference(folder, role, number, protocol, network)
    loss.thread.join()
    assert role in str(error.value) and words in str(error.value)
    assert len(loss.ended_s) == 2 and max(loss.ended_s.values()) < NOTICED_S
    assert all(gone(pid) for pid in loss.pids.values())


def test_one_that_does_not_end_with_the_others(folder: Path) -> None:
    """The work is done, but it would be waited for for ever."""
    parties = LocalParties(folder / "network.onnx", folder / "images.npz", Settings(), LOOPBACK).__enter__()
    pids = parties.pids
    parties.infer([0], LOOPBACK)
    os.kill(pids["dealer"], signal.SIGSTOP)
    with pytest.raises(PartiesFailed, match="dealer"):
        parties.__exit__(None, None, None)
    assert all(gone(pid) for pid in pids.values())


CHANGED = """
import sys
import numpy as np
from pi_bench.parties import session
from pi_bench.wire.channel import Channel
from pi_bench.__main__ import main
{change}
sys.exit(main(sys.argv[1:]))
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Start:
    """Starts a party by hand; ends what still runs when the test does."""
    processes = []

    def started(role: str, url: str, *flags: str, change: str | None = None) -> "subprocess.Popen[str]":
        program = ["-m", "pi_bench"] if change is None else ["-c", CHANGED.format(change=change)]
        command = [sys.executable, *program, "party", "--role", role, "--rendezvous", url, "--timeout-s", "15", *flags]
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
    "protocols": ("client", ["--protocol", "crypten-plain"], "protocol crypten-plain"),
    "models": ("client", ["--digest", "0" * 64], "digest"),
    "a dealer's comparisons": ("dealer", ["--comparison-bits", "20"], "comparison_bits 20"),
    "a dealer's model": ("dealer", ["--digest", "0" * 64], "digest"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_parties_that_do_not_fit_refuse_each_other(name: str, start: Start, folder: Path) -> None:
    other, flags, words = REFUSALS[name]
    url = free_url()
    own = {
        "server": ["--model", str(folder / "network.onnx")],
        "client": ["--inputs", str(folder / "images.npz")],
        "dealer": [],
    }
    given = {role: [*own[role], *(flags if role == other else []), "--timeout-s", "10"] for role in ROLES}
    processes = {role: start(role, url, *given[role]) for role in ROLES}
    errors = {role: process.communicate(timeout=60)[1] for role, process in processes.items()}
    assert words in errors[other] and words in errors["server"], errors
    assert all(process.returncode != 0 for process in processes.values())
    assert port_is_free(url)


STRAYING = {  # what a client does instead, and what the server says of it
    "a frame of another size": (
        "send = Channel.send\n"
        "Channel.send = lambda self, words: send(self, [np.concatenate([np.ravel(each) for each in words])[1:]])",
        "out of step: the client's frame has",
    ),
    "frames out of order": (
        "send, held = Channel.send, []\n"
        "def swapped(self, words):\n"
        "    held.append(words)\n"
        "    while len(held) > 1: send(self, held.pop())\n"
        "Channel.send = swapped",
        "out of step: the client's frame has",
    ),
    "an order there is not": ("session.INFER = 'dance'", "the client asks for {'do': 'dance'"),
}


@pytest.mark.parametrize("name", STRAYING)
def test_a_client_that_strays_is_refused(name: str, start: Start, folder: Path) -> None:
    """The others end too, and say of whom it is."""
    change, words = STRAYING[name]
    url = free_url()
    server, dealer = start("server", url, "--model", str(folder / "network.onnx")), start("dealer", url)
    client = start("client", url, "--inputs", str(folder / "images.npz"), change=change)
    errors = [process.communicate(timeout=60)[1] for process in (server, dealer, client)]
    assert words in errors[0], errors
    assert server.returncode == dealer.returncode == 3, errors


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
