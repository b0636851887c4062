"""Heartbeats: who was lost, and how? One thread per process serves all its control connections.

    watch = Watch("client")                        this process's role
    control = watch.add("server", connection)      for each other party
    watch.check()                                  raises PartyLost once another party is lost
    watch.fileno()                                 is readable then
    watch.close() or watch.abort(error)            says goodbye, or says why this party fails

A party is lost when it closes its connection without a goodbye, says that it fails, or is silent for 6 s: a thread of its own
beats, so it does so during a long computation but not when its process is stopped or its host is dead. (It cannot beat within
one call that keeps Python's lock for as long.) Where the main thread does not take note within 2 s, because it is in the
middle of a computation, the process ends here, with exit code 3. Needs Linux (eventfd).
"""

import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from pi_bench.wire.control import Control
from pi_bench.wire.messages import ProtocolError

BEAT_S = 1.0
SILENCE_S = 6.0
GRACE_S = 2.0
_GOODBYE_S = 5.0
EXIT_CODE = 3


class PartyLost(Exception):
    """Another party is gone: `role` is the one that was lost first, `how` the rest of the sentence.

    It is no RuntimeError: CrypTen takes each of those within a comparison for a lack of memory and tries another way.
    """

    def __init__(self, role: str, how: str):
        super().__init__(f"the {role} {how}")
        self.role = role
        self.how = how


def end_process(lost: PartyLost) -> None:
    """Ends this process from any thread, with what was lost as the last line."""
    print(f"error: {lost}", file=sys.stderr, flush=True)
    os._exit(EXIT_CODE)


class Watch:
    """The thread and what it knows. `end` is called where the main thread takes no note of a loss."""

    def __init__(self, role: str, end: Callable[[PartyLost], None] = end_process, silence_s: float = SILENCE_S):
        self.role = role
        self.changed = threading.Condition()
        self.lost: PartyLost | None = None
        self._end = end
        self._silence_s = silence_s
        self._controls: dict[str, Control] = {}
        self._doorkeeper: tuple[int, Callable[[], None]] | None = None
        self._alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._noted = False
        self._lost_s = 0.0
        self._beaten_s = 0.0
        self._stopping = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def add(self, role: str, connection: socket.socket) -> Control:
        """Watches over one more party from now on."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        control = Control(role, connection)
        with self.changed:
            self._controls[role] = control
        self.wake()
        return control

    def keep_door(self, fileno: int, turn_away: Callable[[], None]) -> None:
        """From now on calls `turn_away` whenever the listening socket `fileno` is knocked at."""
        self._doorkeeper = (fileno, turn_away)
        self.wake()

    def fileno(self) -> int:
        """Readable once a party is lost; to be polled beside whatever the main thread waits for."""
        return self._alarm

    def wake(self) -> None:
        """Makes the thread look again, for example at what was posted and not taken by the kernel."""
        os.eventfd_write(self._wake, 1)

    def check(self) -> None:
        """Raises PartyLost where a party is lost."""
        if self.lost is not None:
            self._noted = True
            raise self.lost

    def note_closed(self, role: str) -> PartyLost:
        """The error for a data connection that the peer has closed: its control connection says why, within a second."""
        with self.changed:
            control = self._controls.get(role)
            self.changed.wait_for(lambda: self.lost or control is None or control.ended, timeout=1.0)
            self._noted = True
        if self.lost is not None:
            return self.lost
        ended = control is not None and control.ended
        return PartyLost(role, "ended before this party was done with it" if ended else "closed its connection")

    def close(self) -> None:
        """A normal end: says goodbye to all. Calling it again does nothing."""
        self._finish("bye", None)

    def abort(self, error: BaseException | str) -> None:
        """Tells the others why this party ends: its own error, or who was lost."""
        if isinstance(error, PartyLost):
            self._finish("abort", {"lost": error.role, "how": error.how})
        else:
            line = " ".join(str(error).split()) or type(error).__name__
            self._finish("abort", {"lost": None, "how": line[:2000]})

    def _finish(self, kind: str, content: Any) -> None:
        if self._closed:
            return
        self._closed = self._noted = True
        controls = [control for control in self._controls.values() if control.open]
        for control in controls:
            control.post(kind, content)
        deadline_s = time.monotonic() + _GOODBYE_S
        while any(control.waiting for control in controls) and self.lost is None and time.monotonic() < deadline_s:
            self.wake()
            time.sleep(0.005)
        self._stopping = True
        self.wake()
        self._thread.join()
        for control in self._controls.values():
            control.connection.close()
        os.close(self._alarm)
        os.close(self._wake)

    def _run(self) -> None:
        while not self._stopping:
            self._serve()
            now_s = time.monotonic()
            if now_s - self._beaten_s >= BEAT_S:
                self._beaten_s = now_s
                for control in self._open_controls():
                    control.post("beat")
            self._find_silent(now_s)
            if self.lost is not None and not self._noted and now_s - self._lost_s > GRACE_S:
                self._noted = True
                self._end(self.lost)

    def _serve(self) -> None:
        """Waits until something happens, at most until the next beat, and deals with it."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        controls = {control.connection.fileno(): control for control in self._open_controls()}
        for fileno, control in controls.items():
            poll.register(fileno, select.POLLIN | (select.POLLOUT if control.waiting else 0))
        if self._doorkeeper:
            poll.register(self._doorkeeper[0], select.POLLIN)
        until_s = self._beaten_s + BEAT_S
        if self.lost is not None and not self._noted:
            until_s = min(until_s, self._lost_s + GRACE_S)
        for fileno, events in poll.poll(max(0.0, until_s - time.monotonic()) * 1000 + 1):
            if fileno == self._wake:
                os.eventfd_read(self._wake)
            elif fileno not in controls:
                self._doorkeeper[1]()
            else:
                if events & select.POLLOUT:
                    controls[fileno].flush()
                if events & ~select.POLLOUT:
                    self._read(controls[fileno])

    def _open_controls(self) -> list[Control]:
        with self.changed:
            return [control for control in self._controls.values() if control.open]

    def _read(self, control: Control) -> None:
        try:
            for kind, content in control.read():
                self._take(control, kind, content)
        except ConnectionError:
            control.open = False
            if not control.ended:
                self._lose(PartyLost(control.role, "closed its connection"))
        except ProtocolError as error:
            control.open = False
            self._lose(PartyLost(control.role, f"sent {error}"))

    def _take(self, control: Control, kind: str, content: Any) -> None:
        with self.changed:
            if kind in ("object", "barrier"):
                control.objects.append((kind, content))
            elif kind == "bye":
                control.ended = True
            self.changed.notify_all()
        if kind == "abort":
            self._lose(self._told(control.role, content))

    def _find_silent(self, now_s: float) -> None:
        for control in self._open_controls():
            if not control.ended and now_s - control.heard_s > self._silence_s:
                self._lose(PartyLost(control.role, f"has been silent for {self._silence_s:g} s"))

    def _lose(self, lost: PartyLost) -> None:
        """Only the first loss counts: the others follow from it."""
        with self.changed:
            if self.lost is None:
                self.lost = lost
                self._lost_s = time.monotonic()
                os.eventfd_write(self._alarm, 1)
            self.changed.notify_all()

    def _told(self, role: str, notice: Any) -> PartyLost:
        """What an abort notice of `role` tells: who was lost first, unless it means this party, which is not lost to itself."""
        if not isinstance(notice, dict):
            return PartyLost(role, "failed")
        how, lost = str(notice.get("how")), notice.get("lost")
        if lost is None:
            return PartyLost(role, f"said: {how}")
        return PartyLost(role, f"said: the {lost} {how}") if lost == self.role else PartyLost(str(lost), how)
