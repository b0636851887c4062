"""A party's line to the process that started it (`pi_bench.parties.launch`): orders, reports, and the end of both.

parent = Parent(arguments.parent_fd)        from now on this process ends when its parent does, however that ends
parent.report({...})                        progress
parent.send({...}); parent.receive()        results and orders
listener = inherited(arguments.listen_fd)   the listening socket that the parent has opened
"""

import json
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from pi_bench.wire.control import Control
from pi_bench.wire.messages import ProtocolError

EXIT_CODE = 4
PART = 2**24  # characters; a message of 64 MiB is the longest


def inherited(fileno: int) -> socket.socket:
    """The socket behind a file descriptor that this process was started with. Raises ValueError where there is none."""
    try:
        connection = socket.socket(fileno=fileno)
    except OSError as error:
        raise ValueError(f"file descriptor {fileno} is no socket ({error.strerror}); only a launcher can give one") from None
    connection.set_inheritable(False)
    return connection


def _end_process() -> None:
    os._exit(EXIT_CODE)


class Parent:
    """The connection to the parent, read by a thread; `end` is called there when the parent is gone."""

    def __init__(self, fileno: int, end: Callable[[], None] = _end_process):
        self._control = Control("parent", inherited(fileno))
        self._changed = threading.Condition()
        self._end = end
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def report(self, content: Any) -> None:
        """Tells the parent how far this party is; any JSON."""
        self._post("report", content)

    def send(self, content: Any) -> None:
        """Hands the parent a result; any JSON, in parts where it is long."""
        text = json.dumps(content)
        if len(text) <= PART:
            self._post("object", content)
            return
        for start in range(0, len(text), PART):
            self._post("part", text[start : start + PART])
        self._post("object", None)

    def receive(self) -> Any:
        """The parent's next order."""
        with self._changed:
            self._changed.wait_for(lambda: self._control.objects)
            return self._control.objects.popleft()

    def _post(self, kind: str, content: Any) -> None:
        self._control.post(kind, content)
        poll = select.poll()
        poll.register(self._control.connection, select.POLLOUT)
        while self._control.waiting:
            poll.poll()
            self._control.flush()

    def _listen(self) -> None:
        poll = select.poll()
        poll.register(self._control.connection, select.POLLIN)
        try:
            while True:
                poll.poll()
                orders = [content for kind, content in self._control.read() if kind == "object"]
                with self._changed:
                    self._control.objects.extend(orders)
                    self._changed.notify_all()
        except (ConnectionError, ProtocolError):
            self._end()
