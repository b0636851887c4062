"""The first words of a connection: who knocks at a listening socket, and who is a stranger.

    1. the one who connects sends  b"pi_bench", a version (uint16) and a JSON object of at most 64 KiB
    2. the other answers a control connection with a JSON object; a data connection gets no answer

A stranger that sends something else, or nothing for 2 s, is dropped, and the wait for the parties goes on.
"""

import contextlib
import select
import socket
import struct
import time
from typing import Any

from pi_bench.wire.messages import LENGTH, ProtocolError, checked_length, decode, pack
from pi_bench.wire.watch import Watch

_MAGIC = struct.Struct("!8sH")
_NAME, _VERSION = b"pi_bench", 1
_LONGEST_BYTES = 2**16
_SPEAK_S = 2.0
_MOST_STRANGERS = 64
_TURNED_AWAY = 8


class Stranger(ProtocolError):
    """The connection does not begin as one of ours does."""


def greet(connection: socket.socket, opening: dict[str, Any]) -> None:
    """Says who connects."""
    connection.sendall(_MAGIC.pack(_NAME, _VERSION) + pack(opening, _LONGEST_BYTES))


def answer(connection: socket.socket, reply: dict[str, Any]) -> None:
    """Answers a control connection; one that is broken finds out elsewhere."""
    connection.settimeout(_SPEAK_S)
    with contextlib.suppress(OSError):
        connection.sendall(pack(reply, _LONGEST_BYTES))


def hear_answer(connection: socket.socket, deadline_s: float) -> dict[str, Any]:
    """The reply to `greet`. Raises OSError, TimeoutError, Stranger; reads not a byte more, since frames may follow."""
    length = checked_length(_exactly(connection, LENGTH.size, deadline_s), _LONGEST_BYTES)
    reply = decode(_exactly(connection, length, deadline_s))
    if not isinstance(reply, dict):
        raise Stranger("what answers is not a party of pi_bench")
    return reply


def _exactly(connection: socket.socket, count: int, deadline_s: float) -> bytes:
    received = b""
    while len(received) < count:
        connection.settimeout(max(0.001, deadline_s - time.monotonic()))
        chunk = connection.recv(count - len(received))
        if not chunk:
            raise ConnectionResetError("closed its connection")
        received += chunk
    return received


class _Knock:
    """A connection whose first words are not complete."""

    def __init__(self, connection: socket.socket):
        connection.setblocking(False)
        self.connection = connection
        self.until_s = time.monotonic() + _SPEAK_S
        self._heard = b""
        self._due = _MAGIC.size + LENGTH.size

    def hear(self) -> dict[str, Any] | None:
        """Takes what has arrived, never more than is due; the opening when it is complete. Raises OSError, ProtocolError."""
        while True:
            try:
                chunk = self.connection.recv(self._due - len(self._heard))
            except BlockingIOError:
                return None
            if not chunk:
                raise Stranger("closed")
            self._heard += chunk
            head = _MAGIC.size + LENGTH.size
            if len(self._heard) == head == self._due:
                name, version = _MAGIC.unpack_from(self._heard)
                if name != _NAME:
                    raise Stranger("no party")
                if version != _VERSION:
                    answer(self.connection, {"refused": f"version {version} of pi_bench's connections does not fit {_VERSION}"})
                    raise Stranger("another version")
                self._due += checked_length(self._heard[_MAGIC.size :], _LONGEST_BYTES)
            if len(self._heard) == self._due:
                opening = decode(self._heard[head:])
                if not isinstance(opening, dict):
                    raise Stranger("no object")
                return opening


class Door:
    """A listening socket and those who knock at it."""

    def __init__(self, listener: socket.socket):
        listener.setblocking(False)
        self._listener = listener
        self._knocks: dict[int, _Knock] = {}
        self._turned_away: list[socket.socket] = []

    def fileno(self) -> int:
        return self._listener.fileno()

    @property
    def address(self) -> list[Any]:
        """Host and port it listens at."""
        return list(self._listener.getsockname()[:2])

    def next(self, watch: Watch, deadline_s: float) -> tuple[socket.socket, dict[str, Any]]:
        """The next connection that begins as ours do. Raises TimeoutError at the deadline, PartyLost where a party is lost."""
        while (now_s := time.monotonic()) < deadline_s:
            watch.check()
            poll = select.poll()
            for fileno in (watch.fileno(), self._listener.fileno(), *self._knocks):
                poll.register(fileno, select.POLLIN)
            until_s = min([deadline_s, *(knock.until_s for knock in self._knocks.values())])
            ready = {fileno for fileno, _ in poll.poll(max(0.0, until_s - now_s) * 1000 + 1)}
            for fileno, knock in list(self._knocks.items()):
                if fileno in ready and (opening := self._hear(fileno, knock)) is not None:
                    return knock.connection, opening
                if fileno in self._knocks and time.monotonic() > knock.until_s:
                    self._drop(fileno)
            if self._listener.fileno() in ready:
                self._open()
        raise TimeoutError

    def turn_away(self) -> None:
        """Tells the next one who knocks that all parties are here."""
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.send(pack({"refused": "a benchmark is running there already; wait for its end, or use another port"}))
        self._turned_away.append(connection)  # closing it at once could overtake the message
        while len(self._turned_away) > _TURNED_AWAY:
            self._turned_away.pop(0).close()

    def close(self) -> None:
        for fileno in list(self._knocks):
            self._drop(fileno)
        for connection in self._turned_away:
            connection.close()
        self._listener.close()

    def _open(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._knocks) >= _MOST_STRANGERS:
            self._drop(next(iter(self._knocks)))
        self._knocks[connection.fileno()] = _Knock(connection)

    def _hear(self, fileno: int, knock: _Knock) -> dict[str, Any] | None:
        try:
            opening = knock.hear()
        except (OSError, ProtocolError):
            self._drop(fileno)
            return None
        if opening is not None:
            del self._knocks[fileno]
        return opening

    def _drop(self, fileno: int) -> None:
        self._knocks.pop(fileno).connection.close()
