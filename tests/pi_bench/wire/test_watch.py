"""Real parties that are killed, stopped, or fail: what the others say, and what is left.

How soon is told by what they say: a party whose end is noticed at once "closed its connection", another has been "silent".
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from pi_bench.wire import watch as wire_watch
from pi_bench.wire.address import listen, write
from pi_bench.wire.watch import EXIT_CODE, PartyLost, Watch

from ..ports import free_address

ROOT = Path(__file__).parents[3]
ROLES = ("server", "client", "dealer")
PATIENCE_S = 120.0  # until something is taken for never happening

PARTY = """
import sys, time
import numpy as np
from pi_bench.wire.address import parse
from pi_bench.wire.rendezvous import connect
from pi_bench.wire.watch import PartyLost

role, url, do = sys.argv[1:]
try:
    with connect(role, parse(url), {}, timeout_s=100) as links:
        print("ready", flush=True)
        peer = links.channels["server" if role == "client" else "client"]
        if do == "receive":
            peer.receive([np.zeros(10, np.int64)])
        elif do == "send":
            while True:
                peer.send([np.zeros(10**6, np.int64)])
        elif do == "barrier":
            peer.barrier()
        elif do == "compute":
            time.sleep(60)
        elif do == "raise":
            raise ValueError("no more\\nrandomness")
        elif do == "end later":
            time.sleep(0.5)
except PartyLost as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(3)
except ValueError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
"""

Parties = dict[str, subprocess.Popen]


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[Parties, tuple[str, int]]]]:
    """Starts three parties; returns when all are connected. What each does is given by role, and is "receive" otherwise."""
    started: list[subprocess.Popen] = []

    def start(**do: str) -> tuple[Parties, tuple[str, int]]:
        address, command = free_address(), [sys.executable, "-c", PARTY]
        parties = {
            role: subprocess.Popen(
                [*command, role, write(address), do.get(role, "receive")],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for role in ROLES
        }
        started.extend(parties.values())
        for party in parties.values():
            assert party.stdout.readline() == "ready\n", party.stderr.read()
        return parties, address

    yield start
    for party in started:
        party.kill()
        party.communicate()


def ends(parties: Parties, but: str = "") -> dict[str, tuple[int, str]]:
    """Exit code and last line of each party but one, which have to end by themselves."""
    found = {}
    for role, party in parties.items():
        if role != but:
            _, said = party.communicate(timeout=PATIENCE_S)
            found[role] = (party.returncode, said.strip().splitlines()[-1] if said.strip() else "")
    return found


def test_a_killed_party_is_named_at_once_and_leaves_no_port(start):
    """The server, which alone listens at a known port; test_launch.py kills each role."""
    parties, address = start()
    parties["server"].kill()
    for code, said in ends(parties, but="server").values():
        assert code == EXIT_CODE
        assert said == "error: the server closed its connection"
    parties["server"].wait()
    listen(address).close()


def test_a_stopped_party_is_named(start):
    """Each role in a set of its own; what the others do is to receive, to send more than fits, and to wait."""
    sets = {lost: start(client="barrier" if lost == "dealer" else "receive", dealer="send")[0] for lost in ROLES}
    begin = time.monotonic()
    for lost, parties in sets.items():
        parties[lost].send_signal(signal.SIGSTOP)
    for lost, parties in sets.items():
        for code, said in ends(parties, but=lost).values():
            assert code == EXIT_CODE
            assert said == f"error: the {lost} has been silent for 6 s"
    assert time.monotonic() - begin > 5
    parties = sets["server"]
    parties["server"].send_signal(signal.SIGCONT)  # it finds that the others are gone, and ends too
    code, said = ends({"server": parties["server"]})["server"]
    assert code == EXIT_CODE
    assert "the server has been silent" in said or "closed its connection" in said


def test_a_party_that_fails_tells_the_others_why(start):
    parties, _ = start(dealer="raise")
    found = ends(parties)
    assert found["dealer"] == (2, "randomness")
    assert found["server"] == found["client"] == (EXIT_CODE, "error: the dealer said: no more randomness")


def test_a_party_in_the_middle_of_a_computation_is_ended(start):
    parties, _ = start(server="compute")
    begin = time.monotonic()
    parties["client"].kill()
    found = ends(parties, but="client")
    assert found["server"] == (EXIT_CODE, "error: the client closed its connection")
    assert time.monotonic() - begin > 1.5  # it has a chance to end by itself


def test_a_normal_end_is_no_loss_but_cannot_be_waited_for(start):
    parties, _ = start(dealer="end", server="end later", client="barrier")
    found = ends(parties)
    assert found["dealer"] == found["server"] == (0, "")
    assert found["client"] == (EXIT_CODE, "error: the server ended before this party was done with it")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with listen(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    with one, other:
        yield one, other


def lost_by(watch: Watch) -> PartyLost:
    """Whom a watch has lost, as soon as it has."""
    with watch.changed:
        assert watch.changed.wait_for(lambda: watch.lost, PATIENCE_S)
    return watch.lost


def test_a_busy_main_thread_is_not_silent(pair, monkeypatch):
    """It beats ten times while a party may be silent."""
    monkeypatch.setattr(wire_watch, "BEAT_S", 0.2)
    ends: list[PartyLost] = []
    watches = [Watch(role, ends.append, silence_s=2.0) for role in ("server", "client")]
    for watch, role, connection in zip(watches, ("client", "server"), pair, strict=True):
        watch.add(role, connection)
    until_s = time.monotonic() + 2.5
    while time.monotonic() < until_s:
        pass
    for watch in watches:
        watch.check()
        watch.close()
    assert ends == []


def test_the_process_ends_two_seconds_after_a_loss_that_nobody_notices(pair):
    began_s, ended = time.monotonic(), Future()
    watch = Watch("server", lambda lost: ended.set_result((lost, time.monotonic())), silence_s=0.5)
    watch.add("client", pair[0])
    lost = lost_by(watch)
    assert str(lost) == "the client has been silent for 0.5 s"
    found, ended_s = ended.result(timeout=PATIENCE_S)
    assert found is lost and ended_s - began_s > 0.5 + wire_watch.GRACE_S == 2.5
    watch.abort("over")


def test_a_process_that_notices_a_loss_goes_on(pair, monkeypatch):
    """However long it takes from then on: the watch looks again and again, and does not end it."""
    monkeypatch.setattr(wire_watch, "BEAT_S", 0.1)
    monkeypatch.setattr(wire_watch, "GRACE_S", PATIENCE_S)
    ends: list[PartyLost] = []
    watch = Watch("server", ends.append, silence_s=0.3)
    watch.add("client", pair[0])
    lost_by(watch)
    with pytest.raises(PartyLost, match=r"the client has been silent for 0\.3 s"):
        watch.check()
    monkeypatch.setattr(wire_watch, "GRACE_S", 0.0)  # which is over now
    looks, serve, seen = 0, watch._serve, threading.Event()

    def counted() -> None:
        nonlocal looks
        serve()
        looks += 1
        if looks == 3:
            seen.set()

    monkeypatch.setattr(watch, "_serve", counted)
    assert seen.wait(PATIENCE_S) and ends == []
    watch.abort("over")


@pytest.mark.parametrize(
    "words", [b"\0\0\0\2{]", b"\0\0\0\2{}", b'\0\0\0\x07["x",1]', b"\xff\xff\xff\xff", b'\0\0\0\x0c["beat",1,2]']
)
def test_nonsense_on_the_line_is_a_loss(pair, words):
    watch = Watch("server")
    watch.add("client", pair[0])
    pair[1].sendall(words)
    lost_by(watch)
    with pytest.raises(PartyLost, match="the client sent"):
        watch.check()
    watch.abort("over")


@pytest.mark.parametrize(
    ("notice", "role", "message"),
    [
        ('{"lost":null,"how":"disk full"}', "client", "the client said: disk full"),
        ('{"lost":"dealer","how":"closed its connection"}', "dealer", "the dealer closed its connection"),
        ('{"lost":"server","how":"has been silent for 6 s"}', "client", "the client said: the server has been silent for 6 s"),
        ("7", "client", "the client failed"),
    ],
)
def test_what_an_abort_notice_means(pair, notice, role, message):
    watch = Watch("server")
    watch.add("client", pair[0])
    text = f'["abort",{notice}]'.encode()
    pair[1].sendall(len(text).to_bytes(4, "big") + text)
    lost_by(watch)
    with pytest.raises(PartyLost, match=message) as found:
        watch.check()
    assert found.value.role == role
    watch.abort(found.value)


def test_idle_watches_take_no_processor_and_free_all_they_hold(pair):
    descriptors = len(os.listdir("/proc/self/fd"))
    watches = [Watch("server"), Watch("client")]
    for watch, connection in zip(watches, pair, strict=True):
        watch.add("other", connection)
    used = time.process_time()
    time.sleep(1.1)
    assert time.process_time() - used < 0.15
    for watch in watches:
        watch.close()
        watch.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors - 2  # the pair is closed
