"""Who connects to whom: the three parties find each other, check that they fit, and get a channel to each other one.

    with connect("client", parse("tcp://server:5000"), hello, network=choose("lan")) as links:
        links.channels["server"], links.channels["dealer"], links.hellos["server"]

    1. the server listens at the address; client and dealer connect to it, and hellos are exchanged and compared
    2. the dealer listens too, and the server tells the client where: what is dealt to the client must not pass the server
    3. each pair has two connections, one for control (`pi_bench.wire.watch`) and one for frames (`pi_bench.wire.channel`)

A stranger at the door is dropped, a second party of a role is refused.

The connections are neither encrypted nor authenticated. In a real deployment the links have to be private and authenticated by
other means (WireGuard or another VPN): who reads all of them reads the images, who writes to them can be any party.
"""

import hmac
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pi_bench.wire.address import Address, dial, listen, write
from pi_bench.wire.door import Door, answer, greet, hear_answer
from pi_bench.wire.hello import Refused
from pi_bench.wire.links import Links
from pi_bench.wire.messages import ProtocolError
from pi_bench.wire.network import LOOPBACK, Network
from pi_bench.wire.watch import PartyLost

ROLES = ("server", "client", "dealer")


def connect(
    role: str,
    address: Address,
    hello: Mapping[str, Any],
    *,
    listener: socket.socket | None = None,
    dealer_listener: socket.socket | None = None,
    network: Network = LOOPBACK,
    dealer_network: Network = LOOPBACK,
    timeout_s: float = 10.0,
    needs_dealer: bool = True,
) -> Links:
    """Connects this party to the others; returns when all are connected to all.

    address: where the server listens (`pi_bench.wire.address.parse` reads it). listener: the server's own socket, if it is
    listening already (the links close it in the end); without one the server listens at the address. dealer_listener: the same
    for the dealer, which otherwise takes a free port of the address by which it reaches the server. network: of server and
    client; dealer_network: of the dealer's links. timeout_s: how long the others may take to arrive. needs_dealer=False: two
    parties.

    Raises Refused (a ValueError) where the parties don't fit, ValueError for an address that cannot be used, PartyLost where
    one never arrives or is lost.
    """
    assert role in ROLES, role
    deadline_s = time.monotonic() + timeout_s
    links = Links(role, hello, network, dealer_network)
    try:
        if role == "server":
            links.door = Door(listener or listen(address))
            _serve(links, ("client", "dealer") if needs_dealer else ("client",), deadline_s)
        elif role == "client":
            _join(links, address, needs_dealer, deadline_s)
        else:
            _join_as_dealer(links, address, dealer_listener, deadline_s)
        for channel in links.channels.values():  # client and dealer have the server first, so nobody waits in a circle
            channel.barrier()
    except BaseException as error:
        links.abort(error)
        raise
    return links


def _serve(links: Links, roles: tuple[str, ...], deadline_s: float) -> None:
    """The server: waits for the parties, then tells client and dealer of each other."""
    reception = _Reception(links, roles, deadline_s)
    reception.receive_all()
    if "dealer" in roles:
        invitation = secrets.token_hex(16)
        links.channels["dealer"].send_object({"invitation": invitation})
        links.channels["client"].send_object({"invitation": invitation, "dealer": list(reception.listens["dealer"])})
    else:
        links.channels["client"].send_object({})
    links.watch.keep_door(links.door.fileno(), links.door.turn_away)


def _join(links: Links, address: Address, needs_dealer: bool, deadline_s: float) -> None:
    """The client: the server, then the dealer where the server says it is."""
    _dial(links, "server", address, {}, deadline_s)
    told = _told(links, "dealer" if needs_dealer else "server", deadline_s)
    if needs_dealer:
        host, port = told["dealer"]
        _dial(links, "dealer", (host, port), {"invitation": told["invitation"]}, deadline_s)


def _join_as_dealer(links: Links, address: Address, listener: socket.socket | None, deadline_s: float) -> None:
    """The dealer: the server, then the client that the server sends."""
    connection = dial("server", address, deadline_s)
    try:
        links.door = Door(listener or listen((connection.getsockname()[0], 0)))
    except BaseException:
        connection.close()
        raise
    _dial(links, "server", address, {"listens": links.door.address}, deadline_s, connection)
    invitation = _told(links, "client", deadline_s)["invitation"]
    _Reception(links, ("client",), deadline_s, invitation).receive_all()
    links.watch.keep_door(links.door.fileno(), links.door.turn_away)


def _told(links: Links, missing: str, deadline_s: float) -> dict[str, Any]:
    """What the server tells when all are there; `missing` is who has not come if it tells nothing in time."""
    try:
        return links.channels["server"].receive_object(max(0.0, deadline_s - time.monotonic()))
    except TimeoutError:
        raise PartyLost(missing, "never arrived: the server still waits for it; is it started?") from None


def _dial(
    links: Links,
    role: str,
    address: Address,
    extra: dict[str, Any],
    deadline_s: float,
    connection: socket.socket | None = None,
) -> None:
    """Connects to one party: control first, then data."""
    connection = connection or dial(role, address, deadline_s)
    try:
        greet(connection, {"kind": "control", "hello": links.hello, **extra})
        reply = hear_answer(connection, deadline_s)
        if "refused" in reply:
            raise Refused(f"the {role} at {write(address)} refuses this party: {str(reply['refused'])[:500]}")
        links.take_hello(role, reply.get("hello"), (links.role, role))
    except (OSError, ProtocolError) as error:
        connection.close()
        how = f"never arrived: what listens at {write(address)} does not answer as a party does ({error})"
        raise PartyLost(role, how) from None
    except BaseException:
        connection.close()
        raise
    links.add_control(role, connection)
    data = dial(role, address, deadline_s)
    greet(data, {"kind": "data", "role": links.role, "session": reply.get("session")})
    links.add_channel(role, data)


@dataclass
class _Reception:
    """Lets in one party of each of the roles, with an invitation only one that shows it. listens: where guests listen."""

    links: Links
    roles: tuple[str, ...]
    deadline_s: float
    invitation: str | None = None
    listens: dict[str, Address | None] = field(default_factory=dict)
    _sessions: dict[str, str] = field(default_factory=dict)

    def receive_all(self) -> None:
        """Returns when all have both connections. Raises Refused, PartyLost."""
        while missing := [role for role in self.roles if role not in self.links.channels]:
            try:
                connection, opening = self.links.door.next(self.links.watch, self.deadline_s)
            except TimeoutError:
                raise PartyLost(missing[0], "never arrived: nobody connected as one in time; is it started?") from None
            if opening.get("kind") == "control":
                self._let_in(connection, opening)
            elif not self._take_data(connection, opening):
                connection.close()

    def _let_in(self, connection: socket.socket, opening: Mapping[str, Any]) -> None:
        """Answers a control connection. Raises Refused where the party is wanted but does not fit."""
        hello = opening.get("hello")
        role = str(hello.get("role")) if isinstance(hello, dict) else "stranger"
        listens = _seen_address(connection, opening.get("listens"))
        if refusal := self._refusal(role, listens, opening.get("invitation")):
            answer(connection, {"refused": refusal})
            connection.close()
            return
        self.listens[role] = listens
        self._sessions[role] = secrets.token_hex(16)
        answer(connection, {"hello": self.links.hello, "session": self._sessions[role]})
        try:
            self.links.take_hello(role, hello, (role, self.links.role))
        except BaseException:
            connection.close()
            raise
        self.links.add_control(role, connection)

    def _refusal(self, role: str, listens: Address | None, invitation: Any) -> str | None:
        if role in self._sessions:
            return f"a {role} is connected already"
        if role not in self.roles or (self.invitation is not None and not _same(invitation, self.invitation)):
            return f"no {role[:20]} is expected here"
        return "a dealer has to say where it listens" if role == "dealer" and listens is None else None

    def _take_data(self, connection: socket.socket, opening: Mapping[str, Any]) -> bool:
        role = str(opening.get("role"))
        session = self._sessions.get(role)
        if session is None or not _same(opening.get("session"), session) or role in self.links.channels:
            return False
        self.links.add_channel(role, connection)
        return True


def _same(token: Any, expected: str) -> bool:
    return hmac.compare_digest(str(token).encode(errors="replace"), expected.encode())


def _seen_address(connection: socket.socket, listens: Any) -> Address | None:
    """Where the other end says it listens, at the address by which it is seen here unless it names one."""
    if not (isinstance(listens, list) and len(listens) == 2 and isinstance(listens[1], int)):
        return None
    host = str(listens[0])
    return (connection.getpeername()[0] if host in ("0.0.0.0", "::") else host, listens[1])
