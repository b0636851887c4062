"""Parties that meet: who gets a channel to whom, what has to be the same for all, and what those say who wait."""

import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pi_bench.wire import links
from pi_bench.wire.address import dial, listen, write
from pi_bench.wire.door import Door, greet, hear_answer
from pi_bench.wire.hello import Refused, boot_id, compare
from pi_bench.wire.links import Links
from pi_bench.wire.network import LOOPBACK, choose
from pi_bench.wire.rendezvous import _Reception, connect
from pi_bench.wire.watch import PartyLost

from ..ports import free_address
from .meeting import HELLO, PATIENCE_S, failure


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


def test_a_dealer_that_differs_is_refused_and_the_client_told(arrive, met):
    server, client = arrive("server"), arrive("client")
    met("server", "client")
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


def test_a_second_client_is_refused_while_one_is_connected(arrive, met):
    server, first = arrive("server"), arrive("client")
    met("server", "client")
    assert "refuses this party: a client is connected already" in str(failure(arrive("client")))
    dealer = arrive("dealer")
    assert dealer.result() and first.result() and server.result()
    assert "refuses this party: a benchmark is running there already" in str(failure(arrive("client")))
    assert not first.result().watch.lost


def test_an_uninvited_client_is_not_let_in_by_the_dealer(listener):
    party = Links("dealer", HELLO, LOOPBACK, LOOPBACK)
    party.door = Door(listener)
    deadline_s = time.monotonic() + 3
    reception = _Reception(party, ("client",), deadline_s, invitation="secret")
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(reception.receive_all)
        for invitation in (None, "guess", ["secret"], "\ud800"):
            with dial("dealer", listener.getsockname(), deadline_s) as connection:
                greet(connection, {"kind": "control", "hello": {"role": "client"}, "invitation": invitation})
                assert hear_answer(connection, deadline_s) == {"refused": "no client is expected here"}
        assert isinstance(received.exception(), PartyLost)
    party.close()


@pytest.mark.parametrize(
    ("present", "messages"),
    [
        (("server",), {"server": "the client never arrived"}),
        (("server", "client"), {"server": "the dealer never arrived", "client": "the dealer never arrived"}),
        (("server", "dealer"), {"server": "the client never arrived", "dealer": "the client never arrived"}),
    ],
)
def test_those_who_wait_say_who_never_arrived(arrive, present, messages):
    parties = {role: arrive(role, timeout_s=2.0) for role in present}
    for role, future in parties.items():
        assert isinstance(failure(future), PartyLost)
        assert messages[role] in str(failure(future))


def test_a_client_whose_server_never_arrives():
    address = free_address()
    with pytest.raises(
        PartyLost, match=rf"the server never arrived: no answer at {write(address)} for \d+ s.*is it started there"
    ):
        connect("client", address, HELLO, timeout_s=0.3)


def test_a_client_may_come_before_the_server():
    address = free_address()
    with ThreadPoolExecutor(2) as pool:
        client = pool.submit(connect, "client", address, HELLO, needs_dealer=False)
        time.sleep(0.3)
        server = pool.submit(connect, "server", address, HELLO, needs_dealer=False)
        for future in (client, server):
            future.result().close()


@pytest.mark.parametrize("reply", [b"HTTP/1.1 400 Bad Request\r\n", struct.pack("!I", 2) + b"[]", b"", None])
def test_something_else_listens_at_the_address(listener, reply):
    given_up = threading.Event()

    def reply_and_close() -> None:
        connection, _ = listener.accept()
        with connection:
            if reply is None:
                given_up.wait(PATIENCE_S)
            else:
                connection.recv(10)
                connection.sendall(reply)

    thread = threading.Thread(target=reply_and_close)
    thread.start()
    with pytest.raises(PartyLost, match=r"the server never arrived: what listens at .* does not answer as a party does"):
        connect("client", listener.getsockname(), HELLO, timeout_s=1.0)
    given_up.set()
    thread.join()
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
