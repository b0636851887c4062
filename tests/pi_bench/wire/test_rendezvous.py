"""The parties of these tests are threads of this process: nobody is lost here, so nobody ends it."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from pi_bench.wire import door, links
from pi_bench.wire.address import dial, listen, parse, write
from pi_bench.wire.door import Door, greet, hear_answer
from pi_bench.wire.hello import Refused, boot_id, compare
from pi_bench.wire.links import Links
from pi_bench.wire.network import LOOPBACK, choose
from pi_bench.wire.rendezvous import _Reception, connect
from pi_bench.wire.watch import PartyLost

HELLO = {"protocol": "crypten", "settings": {"precision_bits": 16}, "versions": {"torch": "2.13"}, "digest": None}


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
            if future.exception(timeout=20) is None:
                future.result().close()
    listener.close()


def failure(future: Future) -> BaseException:
    error = future.exception(timeout=20)
    assert error is not None
    return error


def test_three_parties_get_a_channel_to_each_other_one(arrive):
    parties = {role: arrive(role) for role in ("dealer", "client", "server")}
    found = {role: future.result() for role, future in parties.items()}
    for role, one in found.items():
        assert one.channels.keys() == one.hellos.keys() == parties.keys() - {role}
        assert all(hello["role"] == other for other, hello in one.hellos.items())
    for role, one in found.items():
        for other, channel in one.channels.items():
            channel.send([np.array([len(role), len(other)])])
    for role, one in found.items():
        for other, channel in one.channels.items():
            words = np.zeros(2, np.int64)
            channel.receive([words])
            assert words.tolist() == [len(other), len(role)]
    dealt = found["dealer"].channels["client"]
    assert dealt.sent_bytes == 32 and found["server"].channels["client"].sent_bytes == 32  # nothing passes through the server


def test_two_parties_without_a_dealer(arrive):
    server, client = arrive("server", needs_dealer=False), arrive("client", needs_dealer=False)
    assert client.result().channels.keys() == {"server"}
    assert server.result().channels.keys() == {"client"}


def test_the_clock_of_the_first_frame_is_that_of_the_network(arrive):
    server = arrive("server", needs_dealer=False, network=choose(rtt_ms=200))
    client = arrive("client", needs_dealer=False, network=choose(rtt_ms=200))
    start = time.perf_counter()
    server.result().channels["client"].send([np.zeros(1, np.int64)])
    client.result().channels["server"].receive([np.zeros(1, np.int64)])
    assert time.perf_counter() - start > 0.1


DIFFERENCES = [
    (
        {"protocol": "crypten-plain"},
        {},
        "client runs protocol crypten-plain, the server crypten: start both with the same --protocol",
    ),
    ({"settings": {"precision_bits": 12}}, {}, "client runs settings.precision_bits 12, the server 16"),
    (
        {"versions": {"torch": "2.12"}},
        {},
        r"client runs versions.torch 2\.12, the server 2\.13: install the same version for both",
    ),
    ({"digest": "abc"}, {"digest": "def"}, "client runs digest abc, the server def: start both with the same model"),
]


@pytest.mark.parametrize(("clients", "servers", "message"), DIFFERENCES)
def test_parties_that_differ_refuse_each_other_with_the_same_words(arrive, clients, servers, message):
    server = arrive("server", HELLO | servers, needs_dealer=False)
    client = arrive("client", HELLO | clients, needs_dealer=False)
    assert isinstance(failure(server), Refused) and isinstance(failure(client), Refused)
    with pytest.raises(ValueError, match=message):
        server.result()
    assert str(failure(client)) == str(failure(server))


def test_a_dealer_that_differs_is_refused_and_the_client_told(arrive):
    server, client = arrive("server"), arrive("client")
    time.sleep(0.2)
    dealer = arrive("dealer", HELLO | {"protocol": "other"})
    assert "the dealer runs protocol other, the server crypten" in str(failure(dealer))
    assert str(failure(server)) == str(failure(dealer))
    assert str(failure(client)) == f"the server said: {failure(dealer)}"


def test_networks_have_to_be_the_same(arrive):
    server, client = (
        arrive("server", needs_dealer=False, network=choose("wan")),
        arrive("client", needs_dealer=False, network=choose("lan")),
    )
    assert "the client runs network.mbit_per_s 3000.0, the server 400.0: start both with the same --network" in str(
        failure(client)
    )
    assert str(failure(server)) == str(failure(client))


def test_one_without_a_digest_takes_the_servers(arrive):
    server = arrive("server", HELLO | {"digest": "abc"}, needs_dealer=False)
    client = arrive("client", needs_dealer=False)
    server.result()
    assert client.result().hellos["server"]["digest"] == "abc"


def test_no_network_is_emulated_between_two_hosts(arrive, monkeypatch):
    ids = iter(["one", "two"])
    monkeypatch.setattr(links, "boot_id", lambda: next(ids))
    network = choose("lan")
    server, client = (arrive(role, needs_dealer=False, network=network) for role in ("server", "client"))
    for party in (server, client):
        assert "the network lan is emulated, which needs processes of one host" in str(failure(party))


def test_a_real_network_between_two_hosts(arrive, monkeypatch):
    ids = iter(["one", "two"])
    monkeypatch.setattr(links, "boot_id", lambda: next(ids))
    server, client = (arrive(role, needs_dealer=False, network=choose("real")) for role in ("server", "client"))
    with pytest.raises(Refused):
        client.result().channels["server"].emulate(choose("wan"))
    server.result()


def test_this_hosts_kernel_has_one_id():
    assert boot_id() == boot_id() != ""


def test_fields_of_one_side_only_are_not_compared():
    compare("client", {"a": 1, "host": "x", "digest": None}, "server", {"b": 2, "host": "y", "digest": "d"})


def test_a_second_client_is_refused_while_one_is_connected(arrive, listener):
    server, first = arrive("server"), arrive("client")
    time.sleep(0.3)
    assert "refuses this party: a client is connected already" in str(failure(arrive("client")))
    dealer = arrive("dealer")
    assert dealer.result() and first.result() and server.result()
    assert "refuses this party: a benchmark is running there already" in str(failure(arrive("client")))
    assert not first.result().watch.lost


def test_an_uninvited_client_is_not_let_in_by_the_dealer(listener):
    party = Links("dealer", HELLO, LOOPBACK, LOOPBACK)
    party.door = Door(listener)
    deadline_s = time.monotonic() + 1
    reception = _Reception(party, ("client",), deadline_s, invitation="secret")
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(reception.receive_all)
        for invitation in (None, "guess", ["secret"], "\ud800"):
            with dial("dealer", listener.getsockname(), deadline_s) as connection:
                greet(connection, {"kind": "control", "hello": {"role": "client"}, "invitation": invitation})
                assert hear_answer(connection, deadline_s) == {"refused": "no client is expected here"}
        assert isinstance(received.exception(), PartyLost)
    party.close()


def opening(version: int = 1, name: bytes = b"pi_bench", length: int | None = None, text: bytes = b"{}") -> bytes:
    return struct.pack("!8sH", name, version) + struct.pack("!I", len(text) if length is None else length) + text


STRANGERS = {
    "web": b"GET / HTTP/1.1\r\nHost: server\r\n\r\n",
    "silent": b"",
    "half": opening()[:9],
    "another version": opening(version=2),
    "too long": opening(length=2**31),
    "no JSON": opening(text=b"{]"),
    "no object": opening(text=b"[1]"),
    "deep": opening(text=b"[" * 60_000),
    "no kind": opening(),
    "no hello": opening(text=b'{"kind":"control"}'),
    "odd hello": opening(text=b'{"kind":"control","hello":{"role":["client"]},"listens":[1,"a"]}'),
    "guessed session": opening(text=b'{"kind":"data","role":"client","session":"\\ud800"}'),
}


@pytest.mark.parametrize("words", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stranger_at_the_door_does_not_stop_the_others(arrive, listener, words):
    with socket.create_connection(listener.getsockname()) as stranger, socket.create_connection(listener.getsockname()):
        stranger.sendall(words)
        server = arrive("server", needs_dealer=False)
        client = arrive("client", needs_dealer=False)
        server.result().channels["client"].send([np.ones(1, np.int64)])
        client.result().channels["server"].receive([np.zeros(1, np.int64)])


def test_a_silent_stranger_is_dropped(arrive, listener, monkeypatch):
    monkeypatch.setattr(door, "_SPEAK_S", 0.2)
    with socket.create_connection(listener.getsockname()) as stranger:
        server = arrive("server", timeout_s=1.0, needs_dealer=False)
        stranger.settimeout(0.8)
        assert stranger.recv(1) == b""
        failure(server)


def test_a_hundred_strangers_at_once(arrive, listener):
    address = listener.getsockname()
    server = arrive("server", needs_dealer=False)
    strangers = [socket.create_connection(address) for _ in range(100)]
    client = arrive("client", needs_dealer=False)
    assert client.result() and server.result()
    for stranger in strangers:
        stranger.close()


@pytest.mark.parametrize(
    ("present", "messages"),
    [
        (("server",), {"server": "the client never arrived"}),
        (("server", "client"), {"server": "the dealer never arrived", "client": "the dealer never arrived"}),
        (("server", "dealer"), {"server": "the client never arrived", "dealer": "the client never arrived"}),
    ],
)
def test_those_who_wait_say_who_never_arrived(arrive, present, messages):
    start = time.monotonic()
    parties = {role: arrive(role, timeout_s=0.7) for role in present}
    for role, future in parties.items():
        assert isinstance(failure(future), PartyLost)
        assert messages[role] in str(failure(future))
    assert time.monotonic() - start < 3


def test_a_client_whose_server_never_arrives(listener):
    address = listener.getsockname()
    listener.close()
    with pytest.raises(
        PartyLost, match=rf"the server never arrived: no answer at {write(address)} for 0 s.*is it started there"
    ):
        connect("client", address, HELLO, timeout_s=0.3)


def test_a_client_may_come_before_the_server(listener):
    address = listener.getsockname()
    listener.close()
    with ThreadPoolExecutor(2) as pool:
        client = pool.submit(connect, "client", address, HELLO, needs_dealer=False)
        time.sleep(0.3)
        server = pool.submit(connect, "server", address, HELLO, needs_dealer=False)
        for future in (client, server):
            future.result().close()


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n", struct.pack("!I", 2) + b"[]", b"", None])
def test_something_else_listens_at_the_address(listener, reply):
    def reply_and_close() -> None:
        connection, _ = listener.accept()
        with connection:
            if reply is None:
                time.sleep(0.5)
            else:
                connection.recv(10)
                connection.sendall(reply)

    thread = threading.Thread(target=reply_and_close)
    thread.start()
    with pytest.raises(PartyLost, match=r"the server never arrived: what listens at .* does not answer as a party does"):
        connect("client", listener.getsockname(), HELLO, timeout_s=0.4)
    thread.join()
    listener.close()


@pytest.mark.parametrize(
    ("url", "address"),
    [("tcp://127.0.0.1:5000", ("127.0.0.1", 5000)), ("tcp://[::1]:80", ("::1", 80)), ("tcp://a.example:1", ("a.example", 1))],
)
def test_addresses(url, address):
    assert parse(url) == address
    assert write(address) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "server:5000",
        "http://server:5000",
        "tcp://server",
        "tcp://:5000",
        "tcp://a:b",
        "tcp://a:70000",
        "tcp://a:1/x",
        "tcp://[::1",
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(ValueError, match=r"is no address.*tcp://host:port"):
        parse(url)


def test_a_port_in_use(listener):
    with pytest.raises(ValueError, match=rf"nobody can listen at {write(listener.getsockname())}: the port is in use"):
        listen(listener.getsockname())
    listener.close()


def test_an_address_of_another_host():
    with pytest.raises(ValueError, match="this host has no such address"):
        listen(("192.0.2.1", 5000))


def test_a_name_with_several_addresses_is_tried_at_each(listener, monkeypatch):
    """As localhost where IPv6 is switched off."""
    resolve, where = socket.getaddrinfo, listener.getsockname()
    found = [
        resolve("192.0.2.1" if side == "listen" else "127.0.0.1", 1, type=socket.SOCK_STREAM)[0] for side in ("listen", "dial")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [found[0], resolve(*where, type=socket.SOCK_STREAM)[0]])
    with pytest.raises(ValueError, match="the port is in use"):
        listen(("name", where[1]))
    found[0] = found[1]  # nobody listens at port 1
    dial("server", ("name", where[1]), time.monotonic() + 1).close()
    listener.close()


def test_an_unknown_host():
    with pytest.raises(ValueError, match="the host 'no such host' is unknown"):
        connect("client", ("no such host", 5000), HELLO, timeout_s=1)


def test_the_port_is_free_afterwards(arrive, listener):
    address = listener.getsockname()
    server, client = arrive("server", needs_dealer=False), arrive("client", needs_dealer=False)
    for future in (server, client):
        future.result().close()
    listen(address).close()
