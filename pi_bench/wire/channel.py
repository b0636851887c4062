"""Frames between two parties: int64 words over one TCP connection, counted, and held back where a network is emulated.

    links = pi_bench.wire.rendezvous.connect(...)
    channel = links.channels["client"]
    channel.exchange([own], [other])        both parties at the same time: one round
    channel.send([words]); channel.receive([words])
    expected = channel.expect([words]); ...; channel.take(expected)      what may come while this party still sends
    before = channel.snapshot(); ...; channel.snapshot() - before        rounds and bytes in between
    channel.send_object({...}); channel.receive_object(); channel.barrier()    not counted, not delayed

Bytes are counted one way as written to the socket, headers of frames (`pi_bench.wire.frames`) included. Rounds are one-way hops
that had to follow each other: the depth of the deepest frame, sent or received, since the last barrier. Every wait ends at once
with PartyLost when a party is lost; there is no other time limit, because nobody knows how long the other side computes. A wait
costs no CPU but for the last 100 us of an emulated delay.
"""

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_bench.wire.control import Control
from pi_bench.wire.frames import HEADER, WORD_BYTES, Frame, Words
from pi_bench.wire.hello import check_clocks
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import Link, Network
from pi_bench.wire.watch import PartyLost, Watch

_SPIN_NS = 100_000  # a sleep may take this much longer than asked for
_BUFFER_BYTES = 4 * 2**20
_TCP_INFO_BYTES = 216
_TCP_INFO_RECEIVED, _TCP_INFO_SENT = 128, 200  # offsets of tcpi_bytes_received; of tcpi_bytes_sent and tcpi_bytes_retrans


@dataclass(frozen=True)
class Traffic:
    """What went through a channel so far, or between two moments."""

    rounds: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    waited_s: float = 0.0  # for the other party and the network, emulated or not

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(
            self.rounds - earlier.rounds,
            self.sent_bytes - earlier.sent_bytes,
            self.received_bytes - earlier.received_bytes,
            self.waited_s - earlier.waited_s,
        )


class Channel:
    """The connection to one peer. frames: of both directions. one_host: whether a network can be emulated."""

    def __init__(
        self,
        peer: str,
        connection: socket.socket,
        control: Control,
        watch: Watch,
        network: Network,
        one_host: bool = True,
    ):
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _enlarge_buffers(connection)
        self.peer = peer
        self._one_host = one_host
        self.emulate(network)
        self.waited_s = 0.0
        self.sent_bytes = self.received_bytes = self.frames = 0
        self._connection = connection
        self._control = control
        self._watch = watch
        self._expected: deque[Frame] = deque()  # those that are not complete, in the order in which they come
        self._rounds_before = 0  # up to the last barrier
        self._depth = self._received_depth = 0  # since then, of the deepest frame, and of the deepest one received
        self._poll = select.poll()
        self._poll.register(watch.fileno(), select.POLLIN)
        self._alarm = select.poll()
        self._alarm.register(watch.fileno(), select.POLLIN)

    def emulate(self, network: Network) -> None:
        """From the next frame on this network is emulated, or none. Both parties have to say so between the same two frames.

        Raises Refused where the parties are on two hosts.
        """
        check_clocks(network, self._one_host)
        self.network = network
        self._link = Link(network) if network.emulated else None

    def exchange(self, outgoing: Sequence[Words], incoming: Sequence[Words]) -> None:
        """Sends one frame while receiving another, which fills `incoming` in place: both are one hop.

        Raises ProtocolError where the peer's frame has another length than `incoming`, and PartyLost.
        """
        outgoing_frame, expected = self._outgoing_frame(outgoing), self.expect(incoming)
        self._transfer(outgoing_frame, expected)
        self.take(expected)

    def send(self, outgoing: Sequence[Words]) -> None:
        """Sends one frame, and returns when the kernel has it; takes in meanwhile what is expected. Raises PartyLost."""
        self._transfer(self._outgoing_frame(outgoing), None)

    def receive(self, incoming: Sequence[Words]) -> None:
        """Receives one frame into `incoming`. Raises ProtocolError for a frame of another length, and PartyLost."""
        self.take(self.expect(incoming))

    def expect(self, incoming: Sequence[Words]) -> Frame:
        """Room for one frame more, to be filled in place whenever it comes; `take` waits for it.

        Frames are expected in the order in which the peer sends them. Two parties that both send much before they receive would
        wait for each other for ever if they did not expect what the other one sends.
        """
        frame = Frame(incoming)
        self.received_bytes += frame.size
        self.frames += 1
        self._expected.append(frame)
        return frame

    def take(self, expected: Frame) -> None:
        """Returns when an expected frame is there. Raises ProtocolError for a frame of another length, and PartyLost."""
        self._transfer(None, expected)
        _, depth, arrival_ns = HEADER.unpack(expected.header)
        self._received_depth = max(depth, self._received_depth)
        self._depth = max(depth, self._depth)
        if self._link is not None:
            self._wait_until(arrival_ns)

    @property
    def rounds(self) -> int:
        """One-way hops that had to follow each other, so far."""
        return self._rounds_before + self._depth

    def snapshot(self) -> Traffic:
        return Traffic(self.rounds, self.sent_bytes, self.received_bytes, self.waited_s)

    def send_object(self, content: Any) -> None:
        """Sends what JSON can hold and returns at once. Raises ValueError for more than 64 MiB, and PartyLost."""
        self._watch.check()
        self._post("object", content)

    def receive_object(self, timeout_s: float | None = None) -> Any:
        """The peer's next object. Raises TimeoutError, ProtocolError where the peer is at a barrier instead, and PartyLost."""
        return self._take("object", timeout_s)

    def barrier(self) -> None:
        """Returns when both parties have called it, within about 0.1 ms of each other. Raises as `receive_object`.

        The next frame is a round, whatever was received before.
        """
        self._rounds_before += self._depth
        self._depth = self._received_depth = 0
        self._watch.check()
        self._post("barrier", None)
        self._take("barrier", None)

    def socket_bytes(self) -> tuple[int, int]:
        """Bytes sent and received as the kernel counts them (TCP_INFO), from the handshake on: take differences.

        Sent ones count when they leave for the first time, so compare them when the peer has received all. Raises OSError
        where the kernel is older than Linux 4.19.
        """
        info = self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        if len(info) < _TCP_INFO_BYTES:
            raise OSError("this kernel does not count the bytes of a socket")
        (received,) = struct.unpack_from("=Q", info, _TCP_INFO_RECEIVED)
        sent, again = struct.unpack_from("=QQ", info, _TCP_INFO_SENT)
        return sent - again, received

    def close(self) -> None:
        self._connection.close()

    def _outgoing_frame(self, tensors: Sequence[Words]) -> Frame:
        frame = Frame(tensors)
        arrival_ns = 0 if self._link is None else self._link.arrival_ns(frame.size, time.monotonic_ns())
        depth = 1 + self._received_depth
        HEADER.pack_into(frame.header, 0, frame.words, depth, arrival_ns)
        self._depth = max(depth, self._depth)
        self.sent_bytes += frame.size
        self.frames += 1
        return frame

    def _transfer(self, outgoing: Frame | None, incoming: Frame | None) -> None:
        """Both directions at once, so that two large frames never wait for each other; until both frames are through."""
        self._watch.check()
        try:
            while True:
                sending = outgoing is not None and not outgoing.send(self._connection)
                receiving = incoming is not None and incoming.done < incoming.size
                if sending or receiving:
                    progress = self._take_in()
                    receiving = incoming is not None and incoming.done < incoming.size
                    if not progress and (sending or receiving):
                        self._wait(sending, bool(self._expected))
                if not sending and not receiving:
                    break
        except ConnectionError:
            raise self._watch.note_closed(self.peer) from None

    def _take_in(self) -> bool:
        """Takes what has arrived of the expected frames; whether that was anything."""
        progress = False
        while self._expected:
            frame = self._expected[0]
            before, checked = frame.done, frame.done >= HEADER.size
            complete = frame.receive(self._connection)
            progress |= frame.done > before
            if not checked and frame.done >= HEADER.size:
                self._check_length(frame)
                complete = complete or frame.receive(self._connection)
            if not complete:
                break
            self._expected.popleft()
        return progress

    def _check_length(self, frame: Frame) -> None:
        words, _, arrival_ns = HEADER.unpack(frame.header)
        if words != frame.words:
            length, expected = WORD_BYTES * words, WORD_BYTES * frame.words
            raise ProtocolError(f"out of step: the {self.peer}'s frame has {length:,} bytes, {expected:,} are expected")
        if (arrival_ns != 0) != (self._link is not None):
            raise ProtocolError(f"only one of this party and the {self.peer} emulates a network")

    def _wait(self, sending: bool, receiving: bool) -> None:
        events = (select.POLLOUT if sending else 0) | (select.POLLIN if receiving else 0)
        self._poll.register(self._connection, events)
        start_s = time.perf_counter()
        self._poll.poll()
        self.waited_s += time.perf_counter() - start_s
        self._watch.check()

    def _wait_until(self, arrival_ns: int) -> None:
        """Sleeps for the most part and spins at the end; a loss ends it."""
        start_s = time.perf_counter()
        while (left_ns := arrival_ns - time.monotonic_ns() - _SPIN_NS) > 0:
            if left_ns < 2_000_000:
                time.sleep(left_ns / 1e9)
            else:
                self._alarm.poll(left_ns // 1_000_000 - 1)  # whole milliseconds only, but ends early
                self._watch.check()
        while time.monotonic_ns() < arrival_ns:
            pass
        self.waited_s += time.perf_counter() - start_s

    def _post(self, kind: str, content: Any) -> None:
        self._control.post(kind, content)
        if self._control.waiting:
            self._watch.wake()

    def _take(self, kind: str, timeout_s: float | None) -> Any:
        watch, control = self._watch, self._control
        with watch.changed:
            arrived = watch.changed.wait_for(lambda: control.objects or watch.lost or control.ended, timeout_s)
            found = control.objects.popleft() if control.objects else None
        if found is None:
            watch.check()
            if not arrived:
                raise TimeoutError(f"the {self.peer} has sent nothing for {timeout_s:g} s")
            raise PartyLost(self.peer, "ended before this party was done with it")
        if found[0] != kind:
            raise ProtocolError(f"out of step: the {self.peer} is at its {found[0]}, this party at its {kind}")
        return found[1]


def _enlarge_buffers(connection: socket.socket, limits: Path = Path("/proc/sys/net/core")) -> None:
    """Larger buffers where the kernel allows them; elsewhere, and where it does not say (in containers), it grows them."""
    for option, name in ((socket.SO_SNDBUF, "wmem_max"), (socket.SO_RCVBUF, "rmem_max")):
        limit = limits / name
        if limit.exists() and int(limit.read_text()) >= _BUFFER_BYTES:
            connection.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
