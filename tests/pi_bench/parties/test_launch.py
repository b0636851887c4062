"""Parties as child processes: a small program stands for `python -m pi_bench party`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pi_bench.parties import launch
from pi_bench.parties.launch import Parties, PartiesFailed
from pi_bench.parties.parent import EXIT_CODE, inherited

ROOT = Path(__file__).parents[3]
ROLES = ("server", "client", "dealer")
PATIENCE_S = 120.0  # until something is taken for never happening

PARTY = """
import argparse, os, sys, time
from pi_bench.wire.address import parse
from pi_bench.parties.parent import Parent, inherited
from pi_bench.wire.rendezvous import connect
from pi_bench.wire.watch import PartyLost

arguments = argparse.ArgumentParser()
for name in ("--role", "--rendezvous", "--do"):
    arguments.add_argument(name)
for name in ("--parent-fd", "--listen-fd"):
    arguments.add_argument(name, type=int)
arguments = arguments.parse_args()

role, do = arguments.role, arguments.do
parent = Parent(arguments.parent_fd)
listeners = {}
if arguments.listen_fd is not None:
    listeners = {"listener" if role == "server" else "dealer_listener": inherited(arguments.listen_fd)}
if do == "fail early":
    raise SystemExit("error: the file is broken")
try:
    with connect(role, parse(arguments.rendezvous), {}, timeout_s=100, **listeners) as links:
        parent.report("connected")
        if do == "fail":
            print("what it printed")
            raise ValueError("out of memory")
        if do == "compute":
            time.sleep(100)
        if role == "client" and do == "wait":
            parent.send(parent.receive())
            links.channels["dealer"].receive_object()
        elif role == "client" and do == "lose":
            parent.send(parent.receive())
            time.sleep(0.5)
            raise PartyLost("server", "has been silent for 6 s")
        elif role == "client":
            while (order := parent.receive()) is not None:
                parent.send([order, sorted(os.sched_getaffinity(0)), os.environ["OMP_NUM_THREADS"]])
            for channel in links.channels.values():
                channel.send_object("end")
        elif do != "leave":
            links.channels["client"].receive_object()
            parent.send(["x" * (40_000_000 if do == "say much" else 1), sorted(os.sched_getaffinity(0))])
except PartyLost as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(3)
except ValueError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
"""
PROGRAM = (sys.executable, "-c", PARTY)


def parties(on_report=lambda role, content: None, **do: str) -> Parties:
    return Parties({role: ["--do", do.get(role, "serve")] for role in ROLES}, on_report, PROGRAM)


def connected(one: Parties) -> None:
    """Returns when the client has answered, so that all parties are connected."""
    one.send("client", ["are you there?"])
    assert one.receive("client")[0] in ("are you there?", ["are you there?"])


def gone(pids: Sequence[int]) -> bool:
    """Whether processes, children of this one or not, end by themselves."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def patient(monkeypatch):
    """Parties get all the time they need to end by themselves."""
    for name in ("_NOTICE_S", "_HANG_UP_S", "_END_S"):
        monkeypatch.setattr(launch, name, PATIENCE_S)


def test_orders_results_reports_and_a_normal_end(patient):
    reports = []
    with parties(lambda role, content: reports.append((role, content)), server="say much") as one:
        assert one.pids.keys() == set(ROLES)
        long = "ä" * 500_000
        one.send("client", {"order": long})
        answer, clients_cores, threads = one.receive("client")
        assert answer == {"order": long} and threads == "1"
        one.send("client", None)
        text, servers_cores = one.receive("server")
        assert len(text) == 40_000_000  # in parts, for it is longer than a message may be
        ended = one.wait()
        pids = list(one.pids.values())
    assert {role: end.exit_code for role, end in ended.items()} == dict.fromkeys(ROLES, 0)
    assert sorted(reports) == sorted((role, "connected") for role in ROLES)
    assert not any(map(alive, pids))
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) >= 2:
        assert (servers_cores, clients_cores) == ([cores[0]], [cores[1]])


def test_two_sets_in_turn(patient):
    with parties() as one, parties() as other:
        for turn in range(3):
            for each in (one, other):
                each.send("client", turn)
                assert each.receive("client")[0] == turn
        for each in (one, other):
            each.send("client", None)
            each.wait()


def test_a_party_that_fails_for_its_own_reason_is_the_culprit(patient):
    with parties(dealer="fail") as one:
        with pytest.raises(PartiesFailed, match=r"^the dealer failed: out of memory$") as found:
            one.wait()
        assert not any(map(alive, one.pids.values()))
    ended = found.value.ended
    assert found.value.role == "dealer"
    assert ended["dealer"].exit_code == 2 and ended["dealer"].stdout == "what it printed\n"
    for role in ("server", "client"):
        assert ended[role].exit_code == 3
        assert ended[role].stderr == "error: the dealer said: out of memory\n"


def test_a_party_that_fails_before_it_is_connected():
    with parties(server="fail early") as one:
        with pytest.raises(PartiesFailed, match=r"^the server failed: the file is broken$"):
            one.receive("client")
        assert not any(map(alive, one.pids.values()))


@pytest.mark.parametrize("role", ROLES)
def test_a_killed_party(role, patient):
    with parties(client="wait") as one:
        connected(one)
        os.kill(one.pids[role], signal.SIGKILL)
        with pytest.raises(PartiesFailed, match=f"^the {role} was ended by SIGKILL$") as found:
            one.wait()
        assert not any(map(alive, one.pids.values()))
    for other in set(ROLES) - {role}:
        assert found.value.ended[other].exit_code == 3
        assert found.value.ended[other].stderr == f"error: the {role} closed its connection\n"


def test_a_stopped_party_is_killed_in_the_end(monkeypatch):
    for name in ("_NOTICE_S", "_HANG_UP_S", "_TERMINATE_S"):
        monkeypatch.setattr(launch, name, 0.5)
    with parties(client="lose") as one:
        connected(one)
        os.kill(one.pids["server"], signal.SIGSTOP)
        with pytest.raises(PartiesFailed, match=r"^the server has been silent for 6 s$") as found:
            one.wait()
        assert not any(map(alive, one.pids.values()))
    assert found.value.ended["server"].exit_code == -signal.SIGKILL


def test_a_party_that_leaves_without_a_result():
    with parties(server="leave", dealer="leave") as one:
        with pytest.raises(PartiesFailed, match=r"^the (server|dealer) ended without a result$"):
            one.receive("server")


def test_a_program_that_speaks_another_language_is_ended():
    program = "import socket, sys, time; fd = int(sys.argv[sys.argv.index('--parent-fd') + 1]); "
    program += "socket.socket(fileno=fd).send(b'[' * 100); time.sleep(60)"
    with Parties({"server": []}, program=(sys.executable, "-c", program)) as one:
        with pytest.raises(PartiesFailed, match="the server was ended by SIGKILL"):
            one.receive("server")


def test_leaving_early_ends_all(patient):
    """By themselves, for the line to their parent is closed, whatever they do."""
    with parties(server="compute", dealer="compute") as one:
        connected(one)
        children = list(one._children.values())
    assert not any(alive(child.process.pid) for child in children)
    assert [child.ended.exit_code for child in children] == [EXIT_CODE] * 3


def test_nothing_is_left_open():
    before = os.listdir("/proc/self/fd")
    for _ in range(2):
        with parties():
            pass
    assert len(os.listdir("/proc/self/fd")) == len(before)


PARENT = f"""
import json, signal, sys, time
from pi_bench.parties import launch
from pi_bench.parties.launch import Parties

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it

connected = []
arguments = {{role: ["--do", "compute"] for role in {ROLES}}}
with Parties(arguments, lambda role, _: connected.append(role), (sys.executable, "-c", {PARTY!r})) as parties:
    while len(connected) < len(arguments):
        parties.poll(None)
    print(json.dumps(list(parties.pids.values())), flush=True)
    parties.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_party_outlives_its_parent(number):
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as parent:
        pids = json.loads(parent.stdout.readline())
        assert all(alive(pid) for pid in pids)
        parent.send_signal(number)
        assert gone(pids)
        assert parent.wait(timeout=PATIENCE_S) != 0
        parent.communicate()


def test_a_party_ends_when_the_line_to_its_parent_closes():
    with parties() as one:
        connected(one)
        one._children["client"].hang_up()
        with pytest.raises(PartiesFailed) as found:
            one.wait()
    assert found.value.role == "client" and found.value.ended["client"].exit_code == EXIT_CODE


def test_a_descriptor_that_is_no_socket(tmp_path):
    with open(tmp_path / "file", "w") as file:
        with pytest.raises(ValueError, match=rf"file descriptor {file.fileno()} is no socket"):
            inherited(file.fileno())
