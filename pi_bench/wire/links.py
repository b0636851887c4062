"""The connections of one party to the others, and how they end."""

import socket
from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType
from typing import Any

from pi_bench.wire.channel import Channel
from pi_bench.wire.control import Control
from pi_bench.wire.door import Door
from pi_bench.wire.hello import boot_id, check_clocks, compare
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import Network
from pi_bench.wire.watch import Watch


class Links:
    """What `pi_bench.wire.rendezvous.connect` makes; a context manager.

    channels: to each other party, by role. hellos: what the others have said, by role. hello: what this one says. watch: who
    was lost. door: where this party listens, if it does. Leaving the `with` normally says goodbye to the others, leaving it by
    an exception tells them why.
    """

    def __init__(self, role: str, hello: Mapping[str, Any], network: Network, dealer_network: Network):
        """network: between server and client; dealer_network: of the dealer's links."""
        self.role = role
        self.hello = {
            **hello,
            "network": asdict(network),
            "dealer_network": asdict(dealer_network),
            "role": role,
            "boot_id": boot_id(),
        }
        self.channels: dict[str, Channel] = {}
        self.hellos: dict[str, dict[str, Any]] = {}
        self.watch = Watch(role)
        self.door: Door | None = None
        self._networks = (network, dealer_network)
        self._controls: dict[str, Control] = {}

    def __enter__(self) -> "Links":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.abort(error)

    def close(self) -> None:
        """The normal end: the others are told that nothing more will come."""
        self.watch.close()
        self._close_sockets()

    def abort(self, error: BaseException | str) -> None:
        """The end because of an error, which the others are told."""
        self.watch.abort("it was interrupted" if isinstance(error, KeyboardInterrupt) else error)
        self._close_sockets()

    def _close_sockets(self) -> None:
        for channel in self.channels.values():
            channel.close()
        if self.door is not None:
            self.door.close()

    def take_hello(self, role: str, hello: Any, order: tuple[str, str]) -> None:
        """Keeps what `role` says. Both sides compare in the same order, so that both raise Refused with the same words."""
        if not isinstance(hello, dict) or hello.get("role") != role:
            raise ProtocolError(f"it is not the {role}")
        hellos = {self.role: self.hello, role: hello}
        compare(order[0], hellos[order[0]], order[1], hellos[order[1]])
        self.hellos[role] = hello
        check_clocks(self._network(role), self._on_this_host(role))

    def add_control(self, role: str, connection: socket.socket) -> None:
        """From now on it is noticed when that party is lost."""
        self._controls[role] = self.watch.add(role, connection)

    def add_channel(self, role: str, connection: socket.socket) -> None:
        """The second connection to a party; makes its channel."""
        self.channels[role] = Channel(
            role, connection, self._controls[role], self.watch, self._network(role), self._on_this_host(role)
        )

    def _network(self, role: str) -> Network:
        return self._networks["dealer" in (role, self.role)]

    def _on_this_host(self, role: str) -> bool:
        return self.hellos[role].get("boot_id") == self.hello["boot_id"]
