"""Parties that die, hang, never arrive or don't fit, by the commands that a user types: it is said who, and nothing is left.

How long it takes is as long as the machine takes; that ten seconds are enough follows from what a party waits for.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pi_bench.parties.launch import PartiesFailed
from pi_bench.parties.local import LocalParties
from pi_bench.protocols.settings import Settings
from pi_bench.wire.address import write
from pi_bench.wire.network import LOOPBACK, Network
from pi_bench.wire.watch import BEAT_S, GRACE_S, SILENCE_S

from ..forked import Forked
from ..ports import free_address

pytestmark = pytest.mark.usefixtures("forked")

ROLES = ("server", "client", "dealer")
SLOW = Network("custom", 1000.0, 1000.0, True)  # an inference takes some seconds online, so that a party is lost within
NARROW = Network("custom", 1.0, 0.5, True)  # and here it takes many seconds offline
PATIENCE_S = 120.0  # until something is taken for never happening


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
    """Loses a party in the middle of an inference. pids: all parties'; ended: the others that have ended after that."""

    pids: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def during_an_inference(self, folder: Path, role: str, number: int, protocol: str, network: Network) -> None:
        with LocalParties(folder / "network.onnx", folder / "images.npz", Settings(protocol), LOOPBACK) as parties:
            self.pids = parties.pids
            self.thread = threading.Timer(1.5, self._lose, (role, number))
            self.thread.start()
            parties.infer([0], network)

    def _lose(self, role: str, number: int) -> None:
        os.kill(self.pids[role], number)
        until_s, others = time.monotonic() + PATIENCE_S, self.pids.keys() - {role}
        while self.ended != others and time.monotonic() < until_s:
            self.ended |= {other for other in others if gone(self.pids[other])}
            time.sleep(0.05)


CASES = [*((role, SLOW) for role in ROLES), ("client", NARROW), ("dealer", NARROW)]


@pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "SIGKILL"), (signal.SIGSTOP, "silent")])
def test_a_party_is_lost_in_the_middle(number: int, words: str, folder: Path) -> None:
    """The others end; then the benchmark ends all, the stopped one too, and says who it was. Each role in a set of its own."""

    def lose(role: str, network: Network) -> tuple[str, Loss, str]:
        loss = Loss()
        with pytest.raises(PartiesFailed) as error:
            loss.during_an_inference(folder, role, number, "one-trip", network)
        loss.thread.join()
        return role, loss, str(error.value)

    with ThreadPoolExecutor(len(CASES)) as pool:
        for role, loss, said in pool.map(lose, *zip(*CASES, strict=True)):
            assert role in said and words in said
            assert len(loss.ended) == 2
            assert all(gone(pid) for pid in loss.pids.values())


def test_a_loss_is_noticed_within_ten_seconds() -> None:
    """A stopped party is silent from its last beat on, and whoever computes then is ended after a grace."""
    assert SILENCE_S + BEAT_S + GRACE_S < 10


def test_one_that_does_not_end_with_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is done, but it would be waited for for ever."""
    monkeypatch.setattr("pi_bench.parties.launch._END_S", 5.0)
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


class Started(Forked):
    """A party by hand, forked as those of a benchmark are. returncode: of one that has ended."""

    def __init__(self, role: str, url: str, *flags: str, change: str | None = None) -> None:
        program = ["-m", "pi_bench"] if change is None else ["-c", CHANGED.format(change=change)]
        command = [sys.executable, *program, "party", "--role", role, "--rendezvous", url, *flags]
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115, closed by `close`
        super().__init__(command, stdout=self._out, stderr=self._err)

    def communicate(self) -> tuple[str, str]:
        """Waits for its end; what it has written."""
        self.returncode = self.wait(PATIENCE_S)
        for file in (self._out, self._err):
            file.seek(0)
        return self._out.read().decode(), self._err.read().decode()

    def close(self) -> None:
        """Ends it if it still runs."""
        self.kill()
        self.wait()
        self._out.close()
        self._err.close()


Start = Callable[..., Started]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a party by hand; ends what still runs when the test does."""
    processes = []

    def started(*arguments: str, change: str | None = None) -> Started:
        processes.append(Started(*arguments, change=change))
        return processes[-1]

    yield started
    for process in processes:
        process.close()


def port_is_free(url: str) -> bool:
    with socket.create_server(("127.0.0.1", int(url.rpartition(":")[2]))):
        return True


def test_one_that_never_arrives(start: Start, folder: Path) -> None:
    url = write(free_address())
    server = start("server", url, "--model", str(folder / "network.onnx"), "--timeout-s", "4")
    dealer = start("dealer", url, "--timeout-s", "4")
    errors = [process.communicate()[1] for process in (server, dealer)]
    assert server.returncode == 3 and dealer.returncode == 3
    assert all("client" in error and "arrive" in error for error in errors), errors
    assert port_is_free(url)


REFUSALS = {
    "protocols": ("client", ["--protocol", "crypten-plain"], "protocol crypten-plain"),
    "models": ("client", ["--digest", "0" * 64], "digest"),
    "a dealer's comparisons": ("dealer", ["--comparison-bits", "20"], "comparison_bits 20"),
    "a dealer's model": ("dealer", ["--digest", "0" * 64], "digest"),
}


def test_parties_that_do_not_fit_refuse_each_other(start: Start, folder: Path) -> None:
    """All sets at once, for the third party, which would fit, waits until its time is over."""
    own = {
        "server": ["--model", str(folder / "network.onnx")],
        "client": ["--inputs", str(folder / "images.npz")],
        "dealer": [],
    }
    sets = {}
    for name, (other, flags, _) in REFUSALS.items():
        url = write(free_address())
        given = {role: [*own[role], *(flags if role == other else []), "--timeout-s", "10"] for role in ROLES}
        sets[name] = url, {role: start(role, url, *given[role]) for role in ROLES}
    for name, (url, processes) in sets.items():
        other, _, words = REFUSALS[name]
        errors = {role: process.communicate()[1] for role, process in processes.items()}
        assert words in errors[other] and words in errors["server"], (name, errors)
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
    url = write(free_address())
    server, dealer = start("server", url, "--model", str(folder / "network.onnx")), start("dealer", url)
    client = start("client", url, "--inputs", str(folder / "images.npz"), change=change)
    errors = [process.communicate()[1] for process in (server, dealer, client)]
    assert words in errors[0], errors
    assert server.returncode == dealer.returncode == 3, errors


def test_three_parties_started_by_hand(folder: Path, make_student: Callable[..., Path], tmp_path: Path) -> None:
    """As programs of their own. The client measures and writes a card, which says what mode the server chose; all end well."""
    url, card = write(free_address()), tmp_path / "card.json"
    own = {
        "server": ["--model", str(make_student(mode="both")), "--mode", "adversarial"],
        "client": ["--inputs", str(folder / "images.npz"), "--repeats", "3", "--warmups", "1", "--card", str(card)],
        "dealer": [],
    }
    command = [sys.executable, "-m", "pi_bench", "party", "--rendezvous", url, "--timeout-s", f"{PATIENCE_S}", "--role"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = {role: subprocess.Popen([*command, role, *flags], **pipes) for role, flags in own.items()}
    ended = {role: process.communicate(timeout=2 * PATIENCE_S) for role, process in processes.items()}
    assert all(process.returncode == 0 for process in processes.values()), ended
    assert json.loads(card.read_text())["model"]["mode"] == "adversarial"
    assert "semi-honest" in ended["client"][0]
    assert all(f"the {role}" in said.splitlines()[0] for role, (_, said) in ended.items())  # which it says first
