"""JSON messages on a byte stream: four bytes of length, then UTF-8. Never pickle, and never longer than a limit."""

import json
import struct
from typing import Any

LENGTH = struct.Struct("!I")
LONGEST_BYTES = 64 * 2**20


class ProtocolError(Exception):
    """The other party sends something else than what is due: the two are out of step."""


def pack(content: Any, longest_bytes: int = LONGEST_BYTES) -> bytes:
    """The message as it is sent. Raises ValueError where it is longer than the other side would take."""
    text = json.dumps(content, separators=(",", ":")).encode()
    if len(text) > longest_bytes:
        raise ValueError(f"a message of {len(text):,} bytes is too long to be sent; {longest_bytes:,} is the limit")
    return LENGTH.pack(len(text)) + text


def decode(text: bytes | bytearray) -> Any:
    """What `pack` packed, without the length. Raises ProtocolError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a JSON message: {error}") from None


def checked_length(head: bytes | bytearray, longest_bytes: int = LONGEST_BYTES) -> int:
    """The length that the first four bytes announce. Raises ProtocolError where it is over the limit."""
    (length,) = LENGTH.unpack_from(head)
    if length > longest_bytes:
        raise ProtocolError(f"a message of {length:,} bytes, where {longest_bytes:,} is the limit")
    return length


class Unpacker:
    """Cuts a stream into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[Any]:
        """The messages that are complete with these bytes. Raises ProtocolError."""
        self._buffer += received
        messages = []
        while len(self._buffer) >= LENGTH.size:
            end = LENGTH.size + checked_length(self._buffer)
            if len(self._buffer) < end:
                break
            messages.append(decode(self._buffer[LENGTH.size : end]))
            del self._buffer[:end]
        return messages
