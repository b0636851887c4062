"""Starts the parties as processes of this host, talks with them, and ends them: nobody is left over, however this process ends.

    with Parties({"server": [MODEL], "client": [], "dealer": []}, on_report=show) as parties:
        parties.send("client", order); result = parties.receive("client")
        parties.wait()

Each party is started as  python -m pi_bench party --role ROLE ARGUMENTS --rendezvous URL --parent-fd N [--listen-fd N]  with
one thread, server and client on a core each, or with as many threads as are given, on any core. The listening sockets are
opened here and inherited, so that no port is ever guessed. The other end of `--parent-fd` is `pi_bench.parties.parent`: parties
end when this process is gone. Several sets of parties can be up at the same time.
"""

import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType, TracebackType
from typing import Any

from pi_bench.parties.child import Child, Ended
from pi_bench.wire import watch
from pi_bench.wire.address import listen, write

PROGRAM = (sys.executable, "-m", "pi_bench", "party")
_LISTENERS = ("server", "dealer")
_NOTICE_S = 3.0  # what the others get to say that they lost the one that ended; a stopped one has been noticed for longer
_HANG_UP_S = 2.0
_END_S = 5.0  # what the others get when one has ended well
_TERMINATE_S = 1.0


class PartiesFailed(RuntimeError):
    """A party failed; the message is the reason of the one that failed first. role: which; ended: how each of them ended;
    reason: instead of how it ended."""

    def __init__(self, role: str, ended: Mapping[str, Ended], reason: str | None = None):
        super().__init__(reason or _reason(role, ended[role]))
        self.role = role
        self.ended = dict(ended)


def _reason(role: str, ended: Ended) -> str:
    """Why a party failed, by how it ended."""
    if ended.exit_code == watch.EXIT_CODE:
        return ended.last_line
    if ended.exit_code == 0:
        return f"the {role} ended without a result"
    if ended.exit_code < 0:
        return f"the {role} was ended by {signal.Signals(-ended.exit_code).name}"
    return f"the {role} failed: {ended.last_line}"


class Parties:
    """One set of parties. `on_report` is called with a role and what that party reports."""

    def __init__(
        self,
        arguments: Mapping[str, Sequence[str]],
        on_report: Callable[[str, Any], None] = lambda role, content: None,
        program: Sequence[str] = PROGRAM,
        threads: int = 1,
    ):
        self._arguments = arguments
        self._on_report = on_report
        self._program = program
        self._threads = threads
        self._children: dict[str, Child] = {}
        self._failed: list[str] = []  # in the order of failing
        self._termination = _TerminationRaises()

    def __enter__(self) -> "Parties":
        self._termination.install()
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        try:
            self.stop()
        finally:
            self._termination.remove()

    @property
    def pids(self) -> dict[str, int]:
        """The process ids, by role."""
        return {role: child.process.pid for role, child in self._children.items()}

    def start(self) -> "Parties":
        """Starts all parties; `stop` has to follow."""
        listeners = {role: listen(("127.0.0.1", 0)) for role in _LISTENERS if role in self._arguments}
        try:
            url = write(listeners["server"].getsockname())
            for role, arguments in self._arguments.items():
                command = [*self._program, "--role", role, *arguments, "--rendezvous", url]
                self._children[role] = Child(role, command, listeners.get(role), self._threads)
        finally:
            for listener in listeners.values():
                listener.close()
        return self

    def poll(self, timeout_s: float | None = 0.0) -> bool:
        """Deals with what has happened; True when all have ended well. Raises PartiesFailed, when all have ended.

        timeout_s: how long to wait until something happens; None for ever.
        """
        self._serve(timeout_s)
        if self._failed:
            self._await_end(_NOTICE_S)
            culprit = self._culprit()
            self._end()
            raise PartiesFailed(culprit, self._ended())
        return not self._running()

    def wait(self) -> dict[str, Ended]:
        """Waits until all parties have ended, however long they compute; once one has, the others have 5 s. Raises
        PartiesFailed."""
        since_s = None
        while not self.poll(None if since_s is None else since_s + _END_S - time.monotonic()):
            if since_s is None and any(child.ended for child in self._children.values()):
                since_s = time.monotonic()
            elif since_s is not None and time.monotonic() > since_s + _END_S:
                self._give_up(self._running()[0].role)
        return self._ended()

    def _give_up(self, role: str) -> None:
        self._end()
        raise PartiesFailed(role, self._ended(), f"the {role} has not ended, {_END_S:g} s after the others have")

    def send(self, role: str, content: Any) -> None:
        """Sends any JSON to a party, which gets it by `Parent.receive`; what its process does not take now goes with `poll`."""
        self._children[role].control.post("object", content)

    def receive(self, role: str) -> Any:
        """What a party sends next by `Parent.send`. Raises PartiesFailed, also where it ends without sending anything."""
        child = self._children[role]
        while not child.control.objects:
            self.poll(None)
            if child.ended and not child.control.objects:
                raise PartiesFailed(role, {role: child.ended})
        return child.control.objects.popleft()[1]

    def stop(self) -> None:
        """Ends all parties that still run, whatever they do, and frees everything. Calling it again does nothing."""
        self._end()
        for child in self._children.values():
            child.close()
        self._children.clear()

    def _running(self) -> list[Child]:
        return [child for child in self._children.values() if child.ended is None]

    def _ended(self) -> dict[str, Ended]:
        return {role: child.ended for role, child in self._children.items()}

    def _serve(self, timeout_s: float | None) -> None:
        """Takes messages and ends of processes, waiting for the first."""
        poll = select.poll()
        sources = {}
        for child in self._running():
            poll.register(child.pidfd, select.POLLIN)
            sources[child.pidfd] = child
            if child.control.open:
                events = select.POLLIN | (select.POLLOUT if child.control.waiting else 0)
                poll.register(child.control.connection, events)
                sources[child.control.connection.fileno()] = child
        if not sources:
            return
        for fileno, _ in poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000):
            child = sources[fileno]
            if child.ended is not None:
                continue
            if fileno == child.pidfd:
                if child.reap(self._on_report).exit_code != 0:
                    self._failed.append(child.role)
            else:
                child.control.flush()
                child.read(self._on_report)

    def _culprit(self) -> str:
        """The first that failed for a reason of its own, not for having lost another one."""
        own = [role for role in self._failed if self._children[role].ended.exit_code != watch.EXIT_CODE]
        return (own or self._failed)[0]

    def _await_end(self, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while self._running() and (left_s := deadline_s - time.monotonic()) > 0:
            self._serve(left_s)

    def _end(self) -> None:
        """1. hangs up, upon which parties end themselves; 2. terminates; 3. kills those that are stopped or stuck."""
        for child in self._running():
            child.hang_up()
        self._await_end(_HANG_UP_S)
        for child in self._running():
            child.process.terminate()
        self._await_end(_TERMINATE_S)
        for child in self._running():
            child.process.kill()
            child.reap(self._on_report)


class _TerminationRaises:
    """SIGTERM as an exception, so that the way out ends the parties. In the main thread, and where nobody handles it."""

    def __init__(self) -> None:
        self._installed = False

    def install(self) -> None:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _raise)
            self._installed = True

    def remove(self) -> None:
        if self._installed:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self._installed = False


def _raise(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
