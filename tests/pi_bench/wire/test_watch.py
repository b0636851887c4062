"""Real parties that are killed, stopped, or fail: what the others say, how soon, and what is left."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pi_bench.wire.address import listen, write
from pi_bench.wire.watch import EXIT_CODE, PartyLost, Watch

ROOT = Path(__file__).parents[2]
ROLES = ("server", "client", "dealer")

PARTY = """
import sys, time
import numpy as np
from pi_bench.wire.address import parse
from pi_bench.wire.rendezvous import connect
from pi_bench.wire.watch import PartyLost

role, url, do = sys.argv[1:]
try:
    with connect(role, parse(url), {}, timeout_s=20) as links:
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
        with listen(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
        command = [sys.executable, "-c", PARTY]
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


def ends(parties: Parties, timeout_s: float, but: str = "") -> dict[str, tuple[int, str]]:
    """Exit code and last line of each party but one, which have to end within the time."""
    deadline_s = time.monotonic() + timeout_s
    found = {}
    for role, party in parties.items():
        if role != but:
            _, said = party.communicate(timeout=max(0.1, deadline_s - time.monotonic()))
            found[role] = (party.returncode, said.strip().splitlines()[-1] if said.strip() else "")
    return found


def test_a_killed_party_is_named_at_once_and_leaves_no_port(start):
    """The server, which alone listens at a known port; test_launch.py kills each role."""
    parties, address = start()
    parties["server"].kill()
    for code, said in ends(parties, timeout_s=3, but="server").values():
        assert code == EXIT_CODE
        assert said == "error: the server closed its connection"
    parties["server"].wait()
    listen(address).close()


def test_a_stopped_party_is_named_within_ten_seconds(start):
    """Each role in a set of its own; what the others do is to receive, to send more than fits, and to wait."""
    sets = {lost: start(client="barrier" if lost == "dealer" else "receive", dealer="send")[0] for lost in ROLES}
    for lost, parties in sets.items():
        parties[lost].send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    for lost, parties in sets.items():
        for code, said in ends(parties, timeout_s=begin + 10 - time.monotonic(), but=lost).values():
            assert code == EXIT_CODE
            assert said == f"error: the {lost} has been silent for 6 s"
    assert time.monotonic() - begin > 5
    parties = sets["server"]
    parties["server"].send_signal(signal.SIGCONT)  # it finds that the others are gone, and ends too
    code, said = ends({"server": parties["server"]}, timeout_s=4)["server"]
    assert code == EXIT_CODE
    assert "the server has been silent" in said or "closed its connection" in said


def test_a_party_that_fails_tells_the_others_why(start):
    parties, _ = start(dealer="raise")
    found = ends(parties, timeout_s=3)
    assert found["dealer"] == (2, "randomness")
    assert found["server"] == found["client"] == (EXIT_CODE, "error: the dealer said: no more randomness")


def test_a_party_in_the_middle_of_a_computation_is_ended(start):
    parties, _ = start(server="compute")
    parties["client"].kill()
    begin = time.monotonic()
    found = ends(parties, timeout_s=5, but="client")
    assert found["server"] == (EXIT_CODE, "error: the client closed its connection")
    assert time.monotonic() - begin > 1.5  # it has a chance to end by itself


def test_a_normal_end_is_no_loss_but_cannot_be_waited_for(start):
    parties, _ = start(dealer="end", server="end later", client="barrier")
    found = ends(parties, timeout_s=5)
    assert found["dealer"] == found["server"] == (0, "")
    assert found["client"] == (EXIT_CODE, "error: the server ended before this party was done with it")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    with listen(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    with one, other:
        yield one, other


def test_a_busy_main_thread_is_not_silent(pair):
    ends: list[PartyLost] = []
    watches = [Watch(role, ends.append, silence_s=1.3) for role in ("server", "client")]
    for watch, role, connection in zip(watches, ("client", "server"), pair, strict=True):
        watch.add(role, connection)
    until_s = time.monotonic() + 1.9
    while time.monotonic() < until_s:
        pass
    for watch in watches:
        watch.check()
        watch.close()
    assert ends == []


def test_the_process_ends_two_seconds_after_a_loss_that_nobody_notices():
    ends: dict[str, list[PartyLost]] = {"busy": [], "noticing": []}
    with listen(("127.0.0.1", 0)) as listener:
        lines = [socket.create_connection(listener.getsockname()) for _ in ends]
        watches = {name: Watch("server", end.append, silence_s=0.5) for name, end in ends.items()}
        for watch, line in zip(watches.values(), lines, strict=True):
            watch.add("client", line)
        time.sleep(1.3)
        assert str(watches["busy"].lost) == "the client has been silent for 0.5 s"
        with pytest.raises(PartyLost, match=r"the client has been silent for 0\.5 s"):
            watches["noticing"].check()
        assert ends["busy"] == []
        time.sleep(2.2)
    assert ends == {"busy": [watches["busy"].lost], "noticing": []}
    for watch in watches.values():
        watch.abort("over")


@pytest.mark.parametrize(
    "words", [b"\0\0\0\2{]", b"\0\0\0\2{}", b'\0\0\0\x07["x",1]', b"\xff\xff\xff\xff", b'\0\0\0\x0c["beat",1,2]']
)
def test_nonsense_on_the_line_is_a_loss(pair, words):
    watch = Watch("server")
    watch.add("client", pair[0])
    pair[1].sendall(words)
    time.sleep(0.2)
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
    time.sleep(0.2)
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
    assert time.process_time() - used < 0.05
    for watch in watches:
        watch.close()
        watch.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors - 2  # the pair is closed
