"""An emulated network takes what its formula says, and what a real link of the same bandwidth takes."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from pi_bench.wire.network import choose

from .peer import HEADER_BYTES, ROOT


def once(holds: Callable[[], bool]) -> bool:
    """Whether a time is as expected in one of many attempts: a busy machine adds to it, or lets one party begin earlier."""
    return any(holds() for _ in range(100))


@pytest.mark.parametrize(("rtt_ms", "mbit_per_s", "words"), [(20, 400, 250_000), (8, None, 1000), (None, 1000, 500_000)])
def test_an_emulated_exchange_takes_half_a_round_trip_and_the_bytes_over_the_bandwidth(start_peer, rtt_ms, mbit_per_s, words):
    peer = start_peer(choose(rtt_ms=rtt_ms, mbit_per_s=mbit_per_s))
    expected_ms = (rtt_ms or 0) / 2
    if mbit_per_s:
        expected_ms += (8 * words + HEADER_BYTES) * 8 / (mbit_per_s * 1000)
    assert once(lambda: expected_ms - 2 < peer.exchange_ms(words) < expected_ms * 1.03 + 1.5)


def test_many_rounds_add_up(start_peer):
    peer = start_peer(choose(rtt_ms=100))
    assert once(lambda: 400 * 0.99 < peer.exchange_ms(10, times=8) < 400 * 1.1)
    assert peer.channel.rounds in range(8, 801, 8)


def test_frames_one_after_the_other_share_the_bandwidth_and_the_delay(start_peer):
    peer = start_peer(choose(rtt_ms=40, mbit_per_s=400))
    words, times = 50_000, 3  # 8 ms each

    def takes_ms() -> float:
        other, rounds = np.zeros(words, np.int64), peer.channel.rounds
        peer.tell("send", words, times)
        begin = time.perf_counter()
        for _ in range(times):
            peer.channel.receive([other])
        took_ms = (time.perf_counter() - begin) * 1000
        assert peer.channel.rounds - rounds <= 1  # a direction that does not change is no round
        return took_ms

    assert once(lambda: 20 + 24 - 2 < takes_ms() < 20 + 24 + 8)


def test_waiting_costs_no_time_of_the_processor(start_peer):
    peer = start_peer(choose(rtt_ms=600))
    used_s = time.process_time()
    took_ms = peer.exchange_ms(1, times=4)
    assert took_ms > 900  # the other party may begin the first one earlier
    assert time.process_time() - used_s < 0.1
    assert 0.9 < peer.channel.waited_s < took_ms / 1000


NAMESPACED = """
import json, sys, time
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
    print(json.dumps({"ms": found, "sent": channel.sent_bytes}))
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


def test_a_real_link_takes_as_long_as_the_emulated_one_and_counts_the_same_bytes(namespaces, start_peer):
    """2 MB: 80 ms. The party that begins an exchange first sees all of it; a busy machine adds least to the quickest one."""
    words, times = 250_000, 9
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
    found = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    real_ms = min(map(max, *(one["ms"] for one in found)))
    peer = start_peer(choose(mbit_per_s=200))
    assert once(lambda: peer.exchange_ms(words) == pytest.approx(real_ms, rel=0.2))
    for one, name, earlier in zip(found, namespaces, before, strict=True):
        sent = _sent_by_interface(name) - earlier
        assert one["sent"] < sent < 1.08 * one["sent"]  # headers of TCP, IP and Ethernet, and acknowledgements of the other way
