"""Whoever else knocks at the server's door: the parties meet all the same."""

import socket
import struct

import numpy as np
import pytest

from pi_bench.wire import door

from .meeting import PATIENCE_S


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
        server = arrive("server", needs_dealer=False)
        stranger.settimeout(PATIENCE_S)
        assert stranger.recv(1) == b""
        assert arrive("client", needs_dealer=False).result() and server.result()


def test_a_hundred_strangers_at_once(arrive, listener):
    address = listener.getsockname()
    server = arrive("server", needs_dealer=False)
    strangers = [socket.create_connection(address) for _ in range(100)]
    client = arrive("client", needs_dealer=False)
    assert client.result() and server.result()
    for stranger in strangers:
        stranger.close()
