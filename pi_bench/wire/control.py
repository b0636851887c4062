"""The second connection of a pair of parties: heartbeats, objects, and how a party ends.

Served by `pi_bench.wire.watch`; neither delayed nor counted.

A message is [kind, content]:

    beat      null                           about one a second
    object    any JSON                       `Channel.send_object`
    barrier   null                           `Channel.barrier`
    part      text                           the next part of an object that is too long for one message
    report    any JSON                       to the process that started this one (`pi_bench.parties.parent`)
    bye       null                           a normal end: the connection that closes next is no loss
    abort     {"lost": role or null, "how"}  this party fails, for a reason of its own or because another one was lost
"""

import socket
import threading
import time
from collections import deque
from typing import Any

from pi_bench.wire.messages import ProtocolError, Unpacker, pack

_CHUNK_BYTES = 2**18
KINDS = ("beat", "object", "part", "barrier", "report", "bye", "abort")


class Control:
    """One control connection: buffers, and what is known of the peer. Only the watching thread reads; anyone may post.

    role: the peer's. objects: what has arrived for the main thread. ended: the peer has said goodbye. heard_s: time.monotonic()
    of the last byte. open: the connection stands.
    """

    def __init__(self, role: str, connection: socket.socket):
        connection.setblocking(False)
        self.role = role
        self.connection = connection
        self.objects: deque[tuple[str, Any]] = deque()
        self.ended = False
        self.open = True
        self.heard_s = time.monotonic()
        self._unpacker = Unpacker()
        self._outgoing = bytearray()
        self._lock = threading.Lock()

    @property
    def waiting(self) -> bool:
        """Whether something posted is not yet handed to the kernel."""
        return bool(self._outgoing)

    def post(self, kind: str, content: Any = None) -> None:
        """Sends without ever waiting: what the kernel does not take is left to `flush`."""
        packed = pack([kind, content])
        with self._lock:
            if kind == "beat" and self._outgoing:
                return  # what is under way shows life just as well
            self._outgoing += packed
        self.flush()

    def flush(self) -> None:
        """Hands to the kernel what it takes now; a broken connection takes all and is found out by `read`."""
        with self._lock:
            try:
                while self._outgoing:
                    with memoryview(self._outgoing) as view:
                        sent = self.connection.send(view[:_CHUNK_BYTES])
                    del self._outgoing[:sent]
            except BlockingIOError:
                pass
            except OSError:
                self._outgoing.clear()

    def read(self) -> list[tuple[str, Any]]:
        """The messages that have arrived. Raises ConnectionError where the peer has closed, ProtocolError for nonsense."""
        try:
            received = self.connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            raise ConnectionResetError(str(error)) from None
        if not received:
            raise ConnectionResetError("end of the stream")
        self.heard_s = time.monotonic()
        messages = self._unpacker.feed(received)
        for message in messages:
            if not (isinstance(message, list) and len(message) == 2 and message[0] in KINDS):
                raise ProtocolError("a message of no known kind")
        return [(kind, content) for kind, content in messages]
