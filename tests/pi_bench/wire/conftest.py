"""What tests of parties that meet share, and of two that have met.

The former are threads of this process: nobody is lost here, so nobody ends it.
"""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from pi_bench.wire import links
from pi_bench.wire.address import listen, write
from pi_bench.wire.links import Links
from pi_bench.wire.network import LOOPBACK, Network
from pi_bench.wire.rendezvous import connect

from .meeting import HELLO, PATIENCE_S
from .peer import CLIENT, ROOT, Peer


@pytest.fixture
def listener() -> socket.socket:
    """The server's listening socket; whoever gets it closes it."""
    return listen(("127.0.0.1", 0))


@pytest.fixture
def arrive(listener: socket.socket) -> Iterator[Callable[..., Future]]:
    """Lets a party connect in a thread of its own; its links are closed in the end."""
    address = listener.getsockname()
    arrived = []

    def arrive(role: str, hello: dict[str, Any] = HELLO, **options: Any) -> Future:
        if role == "server":
            options["listener"] = listener
        arrived.append(pool.submit(connect, role, address, hello, **options))
        return arrived[-1]

    with ThreadPoolExecutor(8) as pool:
        yield arrive
        for future in arrived:
            if future.exception(timeout=PATIENCE_S) is None:
                future.result().close()
    listener.close()


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Waits until a party has both connections to another one."""
    done, changed = set(), threading.Condition()
    add_channel = links.Links.add_channel

    def noting(self: Links, role: str, connection: socket.socket) -> None:
        add_channel(self, role, connection)
        with changed:
            done.add((self.role, role))
            changed.notify_all()

    monkeypatch.setattr(links.Links, "add_channel", noting)

    def met(role: str, other: str) -> None:
        with changed:
            assert changed.wait_for(lambda: (role, other) in done, PATIENCE_S)

    return met


@pytest.fixture
def start_peer() -> Iterator[Callable[..., Peer]]:
    """Starts the client and connects to it."""
    started = []

    def start(network: Network = LOOPBACK, clients: Network | None = None) -> Peer:
        listener = listen(("127.0.0.1", 0))
        command = [sys.executable, "-c", CLIENT, write(listener.getsockname()), repr(clients or network)]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        met = connect("server", ("", 0), {}, listener=listener, network=network, needs_dealer=False)
        started.append((process, met))
        return Peer(met.channels["client"])

    yield start
    for process, met in started:
        met.close()
        process.communicate(timeout=60)
