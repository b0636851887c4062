"""Addresses as they are written, listened at and dialled."""

import socket
import time

import pytest

from pi_bench.wire.address import dial, listen, parse, write

from .meeting import PATIENCE_S


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
    dial("server", ("name", where[1]), time.monotonic() + PATIENCE_S).close()
    listener.close()
