"""A frame on its way between two parties: a header and int64 words, sent and received in place, without copies.

The header has 16 bytes, little-endian: how many words follow (uint32), the frame's depth (uint32), and the time of arrival
(int64, CLOCK_MONOTONIC in nanoseconds; 0 where no network is emulated). The words of all tensors follow, one after the other.
The depth is 1 + that of the deepest frame that the sender has received before (`pi_bench.cost.costs` says what it is for).
"""

import socket
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Union

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Words = Union["Tensor", np.ndarray]  # contiguous int64, on the CPU

HEADER = struct.Struct("<IIq")
WORD_BYTES = 8
_MOST_WORDS = 2**32 - 1
_MOST_BUFFERS = 512  # of one system call; Linux takes 1024


class Frame:
    """The buffers of a frame on its way, without copies. `size` includes the header; `done` bytes are through."""

    def __init__(self, tensors: Sequence[Words]):
        self.header = bytearray(HEADER.size)
        self._buffers = [memoryview(self.header), *(view for view in map(_bytes_of, tensors) if len(view))]
        self.size = sum(map(len, self._buffers))
        if self.words > _MOST_WORDS:
            raise ValueError(f"a frame of {self.words:,} words is too long to be sent; choose a smaller --batch")
        self.done = 0
        self._next = 0

    @property
    def words(self) -> int:
        """How many follow the header."""
        return (self.size - HEADER.size) // WORD_BYTES

    def send(self, connection: socket.socket) -> bool:
        """Hands over what the kernel takes now; True when all is through."""
        try:
            while self.done < self.size:
                self._advance(connection.sendmsg(self._some()))
        except BlockingIOError:
            return False
        return True

    def receive(self, connection: socket.socket) -> bool:
        """Takes what has arrived; True when all is here. Returns once the header is here, whose length has to be checked first:
        what came with it is in place already, and worth nothing if that is wrong."""
        try:
            while self.done < self.size:
                received = connection.recvmsg_into(self._some())[0]
                if received == 0:
                    raise ConnectionResetError("end of the stream")
                checked = self.done >= HEADER.size
                self._advance(received)
                if not checked and self.done < self.size:
                    return False
        except BlockingIOError:
            return False
        return True

    def _some(self) -> list[memoryview]:
        return self._buffers[self._next : self._next + _MOST_BUFFERS]

    def _advance(self, count: int) -> None:
        self.done += count
        while self._next < len(self._buffers) and count >= len(self._buffers[self._next]):
            count -= len(self._buffers[self._next])
            self._next += 1
        if count:
            self._buffers[self._next] = self._buffers[self._next][count:]


def _bytes_of(tensor: Words) -> memoryview:
    array = np.asarray(tensor)
    assert array.dtype == np.int64 and array.flags.c_contiguous, (array.dtype, array.strides)
    return array.reshape(-1).view(np.uint8).data
