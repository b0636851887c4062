"""Channels between this process (the server) and a real one (the client), which does what it is told."""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pi_bench.wire.address import listen, write
from pi_bench.wire.channel import Channel, Traffic, _enlarge_buffers
from pi_bench.wire.hello import Refused
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import LOOPBACK, Network, choose
from pi_bench.wire.rendezvous import connect

HEADER_BYTES = 16
ROOT = Path(__file__).parents[2]

CLIENT = """
import sys
import numpy as np
from pi_bench.wire.address import parse
from pi_bench.wire.network import Network
from pi_bench.wire.rendezvous import connect

network = eval(sys.argv[2])
with connect("client", parse(sys.argv[1]), {}, network=network, needs_dealer=False) as links:
    server = links.channels["server"]
    while order := server.receive_object():
        do, words, times = order
        own = np.arange(words)
        other = np.zeros(words, np.int64)
        server.barrier()
        for _ in range(times):
            if do == "exchange":
                server.exchange([own], [other])
            elif do == "send":
                server.send([own])
            elif do == "receive":
                server.receive([other])
        if do == "report":
            traffic = server.snapshot()
            server.send_object([traffic.rounds, traffic.sent_bytes, traffic.received_bytes, *server.socket_bytes()])
        elif do == "echo":
            server.send_object(server.receive_object())
"""


class Peer:
    """The other process: `tell` has it do something, after a barrier, while this one does the same."""

    def __init__(self, channel: Channel):
        self.channel = channel

    def tell(self, do: str, words: int = 0, times: int = 1) -> None:
        self.channel.send_object([do, words, times])
        self.channel.barrier()

    def exchange_ms(self, words: int, times: int = 1) -> float:
        own, other = np.full(words, 7), np.zeros(words, np.int64)
        self.tell("exchange", words, times)
        start = time.perf_counter()
        for _ in range(times):
            self.channel.exchange([own], [other])
        elapsed_ms = (time.perf_counter() - start) * 1000
        assert (other == np.arange(words)).all()
        return elapsed_ms


@pytest.fixture
def start() -> Iterator[Callable[..., Peer]]:
    """Starts the client and connects to it."""
    started = []

    def start(network: Network = LOOPBACK, clients: Network | None = None) -> Peer:
        listener = listen(("127.0.0.1", 0))
        command = [sys.executable, "-c", CLIENT, write(listener.getsockname()), repr(clients or network)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        links = connect("server", ("", 0), {}, listener=listener, network=network, needs_dealer=False)
        started.append((process, links))
        return Peer(links.channels["client"])

    yield start
    for process, links in started:
        links.close()
        process.communicate(timeout=10)


def test_an_exchange_fills_tensors_of_any_shape_in_place(start):
    peer = start()
    own = [torch.arange(3), torch.zeros(0, dtype=torch.int64), torch.ones(2, 2, dtype=torch.int64)]
    other = [torch.zeros(2, 3, dtype=torch.int64), torch.zeros((), dtype=torch.int64)]
    peer.tell("exchange", 7)
    peer.channel.exchange(own, other)
    assert other[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert other[1].item() == 6


def test_more_tensors_than_one_system_call_takes(start):
    peer = start()
    words = 3000
    own, other = list(np.arange(words).reshape(-1, 1)), list(np.zeros((words, 1), np.int64))
    peer.tell("exchange", words)
    peer.channel.exchange(own, other)
    assert [int(word[0]) for word in other] == list(range(words))


def test_rounds_and_bytes_are_counted_as_written(start):
    peer = start()
    channel = peer.channel
    for do, words, times in (("send", 5, 2), ("receive", 3, 1), ("exchange", 4, 3), ("receive", 2, 2)):
        peer.tell(do, words, times)
        for _ in range(times):
            own, other = np.zeros(words, np.int64), np.zeros(words, np.int64)
            if do == "exchange":
                channel.exchange([own], [other])
            elif do == "send":
                channel.receive([other])  # what the client sends
            else:
                channel.send([own])
    sent = [3, 4, 4, 4, 2, 2]
    received = [5, 5, 4, 4, 4]
    traffic = channel.snapshot()
    assert traffic.rounds == 1 + 1 + 3 + 1  # frames that follow each other the same way share a round
    assert traffic.sent_bytes == sum(HEADER_BYTES + 8 * words for words in sent)
    assert traffic.received_bytes == sum(HEADER_BYTES + 8 * words for words in received)
    assert channel.frames == 2 + 1 + 2 * 3 + 2
    assert traffic - traffic == Traffic()
    peer.tell("report")
    rounds, clients_sent, clients_received, *_ = channel.receive_object()
    assert (rounds, clients_sent, clients_received) == (traffic.rounds, traffic.received_bytes, traffic.sent_bytes)


def test_the_kernel_counts_the_same_bytes(start):
    peer = start()
    peer.tell("report")
    *before, sent, received = peer.channel.receive_object()
    ours = peer.channel.socket_bytes()
    peer.exchange_ms(1000, times=20)
    peer.exchange_ms(300_000)
    peer.tell("report")
    *after, sent_then, received_then = peer.channel.receive_object()
    ours_then = peer.channel.socket_bytes()
    counted = 21 * HEADER_BYTES + 8 * (20 * 1000 + 300_000)
    assert after[1] - before[1] == after[2] - before[2] == counted
    assert (sent_then - sent, received_then - received) == (counted, counted)
    assert (ours_then[0] - ours[0], ours_then[1] - ours[1]) == (counted, counted)
    assert peer.channel.snapshot().sent_bytes == counted  # nothing but frames counts


def test_large_frames_both_ways_do_not_block_each_other(start):
    start().exchange_ms(64 * 2**20 // 8)


def test_large_frames_one_after_the_other_do_not_block(start):
    peer = start()
    words = 2**20
    for _ in range(2):
        other = np.zeros(words, np.int64)
        peer.tell("send", words)
        peer.channel.receive([other])
        assert other[-1] == words - 1
        peer.tell("receive", words)
        peer.channel.send([other])


def test_a_kernel_that_does_not_say_how_large_buffers_may_be(tmp_path):
    """As in a container with a network namespace of its own."""
    with socket.socket() as connection:
        before = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        _enlarge_buffers(connection, tmp_path)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before


@pytest.mark.parametrize(("theirs", "ours"), [(10, 12), (100_000, 3)])
def test_frames_of_another_length_are_out_of_step(start, theirs, ours):
    peer = start()
    peer.tell("exchange", theirs)
    with pytest.raises(ProtocolError, match=rf"the client's frame has {8 * theirs:,} bytes, {8 * ours:,} are expected"):
        peer.channel.exchange([np.zeros(theirs, np.int64)], [np.zeros(ours, np.int64)])


def test_both_have_to_emulate(start):
    peer = start()
    peer.channel.emulate(choose("lan"))
    peer.tell("send", 1)
    with pytest.raises(ProtocolError, match="only one of this party and the client emulates"):
        peer.channel.receive([np.zeros(1, np.int64)])


def test_no_emulation_between_two_hosts(start):
    channel = start().channel
    channel._one_host = False
    with pytest.raises(Refused, match=r"wan is emulated, which needs processes of one host.*--network real"):
        channel.emulate(choose("wan"))
    channel.emulate(choose("real"))


@pytest.mark.parametrize(("rtt_ms", "mbit_per_s", "words"), [(20, 400, 250_000), (8, None, 1000), (None, 1000, 500_000)])
def test_an_emulated_exchange_takes_half_a_round_trip_and_the_bytes_over_the_bandwidth(start, rtt_ms, mbit_per_s, words):
    peer = start(choose(rtt_ms=rtt_ms, mbit_per_s=mbit_per_s))
    expected_ms = (rtt_ms or 0) / 2
    if mbit_per_s:
        expected_ms += (8 * words + HEADER_BYTES) * 8 / (mbit_per_s * 1000)
    found_ms = statistics.median(peer.exchange_ms(words) for _ in range(9))
    assert expected_ms - 2 < found_ms < expected_ms * 1.03 + 1.5  # on a busy machine one party begins later than the other


def test_many_rounds_add_up(start):
    peer = start(choose(rtt_ms=4))
    found_ms = min(peer.exchange_ms(10, times=200) for _ in range(3))
    assert 400 * 0.99 < found_ms < 400 * 1.1
    assert peer.channel.rounds == 600


def test_frames_one_after_the_other_share_the_bandwidth_and_the_delay(start):
    peer = start(choose(rtt_ms=40, mbit_per_s=400))
    words, times = 50_000, 3  # 8 ms each
    other = np.zeros(words, np.int64)
    peer.tell("send", words, times)
    begin = time.perf_counter()
    for _ in range(times):
        peer.channel.receive([other])
    found_ms = (time.perf_counter() - begin) * 1000
    assert 20 + 24 - 2 < found_ms < 20 + 24 + 8
    assert peer.channel.rounds == 1


def test_waiting_costs_no_time_of_the_processor(start):
    peer = start(choose(rtt_ms=600))
    used = time.process_time()
    assert peer.exchange_ms(1, times=4) > 1190
    assert time.process_time() - used < 0.1
    assert 1.19 < peer.channel.waited_s < 1.3


def test_objects_are_neither_counted_nor_delayed(start):
    peer = start(choose(rtt_ms=2000))
    content = {"text": "ü" * 100_000, "list": [1, 2.5, None, True, {"a": []}]}
    begin = time.perf_counter()
    peer.tell("echo")
    peer.channel.send_object(content)
    assert peer.channel.receive_object() == content
    assert time.perf_counter() - begin < 0.9
    assert peer.channel.snapshot() == Traffic()


def test_an_object_that_is_too_long_is_not_sent(start):
    peer = start()
    with pytest.raises(ValueError, match="67,108,877 bytes is too long to be sent; 67,108,864 is the limit"):
        peer.channel.send_object("a" * 64 * 2**20)


def test_nothing_but_json_is_sent(start):
    with pytest.raises(TypeError):
        start().channel.send_object({1, 2})


def test_an_object_that_does_not_come(start):
    with pytest.raises(TimeoutError, match=r"the client has sent nothing for 0\.05 s"):
        start().channel.receive_object(timeout_s=0.05)


def test_an_object_in_place_of_a_barrier_is_out_of_step(start):
    peer = start()
    peer.tell("report")
    with pytest.raises(ProtocolError, match="the client is at its object, this party at its barrier"):
        peer.channel.barrier()


NAMESPACED = """
import json, statistics, sys, time
import numpy as np
from pi_bench.wire.address import parse
from pi_bench.wire.network import REAL
from pi_bench.wire.rendezvous import connect

role, url, words, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
other_role = {"server": "client", "client": "server"}[role]
with connect(role, parse(url), {}, network=REAL, needs_dealer=False) as links:
    channel = links.channels[other_role]
    own, other = np.arange(words), np.zeros(words, np.int64)
    found = []
    for _ in range(times):
        channel.barrier()
        start = time.perf_counter()
        channel.exchange([own], [other])
        found.append((time.perf_counter() - start) * 1000)
    channel.barrier()
    print(json.dumps({"ms": statistics.median(found), "sent": channel.sent_bytes}))
"""


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces joined by a veth pair of 200 Mbit/s."""
    names = tuple(f"pib{os.getpid()}{side}" for side in "ab")

    def run(*words: str) -> bool:
        return subprocess.run(words, stderr=subprocess.DEVNULL).returncode == 0

    has_tools = os.geteuid() == 0 and all(shutil.which(tool) for tool in ("ip", "tc"))
    if not has_tools or not all(run("ip", "netns", "add", name) for name in names):
        pytest.skip("network namespaces need root and iproute2's ip and tc")
    try:
        made = run("ip", "-n", names[0], "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", names[1])
        for number, name in enumerate(names, 1):
            made = made and run("ip", "-n", name, "address", "add", f"10.199.0.{number}/24", "dev", "veth0")
            made = (
                made
                and run("ip", "-n", name, "link", "set", "veth0", "up")
                and run("ip", "-n", name, "link", "set", "lo", "up")
            )
            shape = ["rate", "200mbit", "burst", "32kb", "limit", "4mb"]
            made = made and run("tc", "-n", name, "qdisc", "add", "dev", "veth0", "root", "tbf", *shape)
        if not made:
            pytest.skip("no veth pair or no token bucket here")
        yield names
    finally:
        for name in names:
            run("ip", "netns", "delete", name)


def _sent_by_interface(namespace: str) -> int:
    command = ["ip", "-n", namespace, "-s", "-j", "link", "show", "veth0"]
    return json.loads(subprocess.check_output(command))[0]["stats64"]["tx"]["bytes"]


def test_a_real_link_takes_as_long_as_the_emulated_one_and_counts_the_same_bytes(namespaces, start):
    words, times = 250_000, 5  # 2 MB: 80 ms
    before = [_sent_by_interface(name) for name in namespaces]
    processes = [
        subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                name,
                sys.executable,
                "-c",
                NAMESPACED,
                role,
                "tcp://10.199.0.1:5000",
                str(words),
                str(times),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, role in zip(namespaces, ("server", "client"), strict=True)
    ]
    found = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    emulated_ms = Peer.exchange_ms(start(choose(mbit_per_s=200)), words)
    for one, name, earlier in zip(found, namespaces, before, strict=True):
        assert one["ms"] == pytest.approx(emulated_ms, rel=0.12)
        sent = _sent_by_interface(name) - earlier
        assert one["sent"] < sent < 1.08 * one["sent"]  # headers of TCP, IP and Ethernet, and acknowledgements of the other way
