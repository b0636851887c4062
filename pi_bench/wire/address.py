"""Where parties listen: `tcp://host:port` and the sockets behind it."""

import errno
import socket
import time
from urllib.parse import urlsplit

from pi_bench.wire.watch import PartyLost

Address = tuple[str, int]
_BACKLOG = 128
_RETRY_S = 0.1
_TRY_S = 2.0
_REMEDIES = {
    errno.EADDRINUSE: "the port is in use; choose another one, or end the program that listens there",
    errno.EADDRNOTAVAIL: "this host has no such address; listen at one of its own, or at 0.0.0.0 for all of them",
    errno.EACCES: "this port needs privileges; choose one from 1024 up",
}


def parse(url: str) -> Address:
    """Host and port of `tcp://host:port` (`tcp://[::1]:5000` for IPv6). Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is no address ({error}); write it as tcp://host:port") from None
    if parts.scheme != "tcp" or not host or port is None or parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{url!r} is no address; write it as tcp://host:port, for example tcp://192.168.1.10:5000")
    return host, port


def write(address: Address) -> str:
    """The address as `parse` reads it."""
    host, port = address
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def listen(address: Address) -> socket.socket:
    """A socket that listens at the address; port 0 takes a free one. Raises ValueError where that is impossible."""
    reason = None
    for family, where in _resolve(address, socket.AI_PASSIVE):
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(_BACKLOG)
            return listener
        except OSError as error:
            listener.close()
            reason = _REMEDIES.get(error.errno, error.strerror)
    raise ValueError(f"nobody can listen at {write(address)}: {reason}")


def dial(role: str, address: Address, deadline_s: float) -> socket.socket:
    """A connection to the party `role`, which may begin to listen later. deadline_s: of time.monotonic().

    Raises ValueError for an unknown host and PartyLost where nobody listens until the deadline.
    """
    places = _resolve(address)
    began_s = time.monotonic()
    while True:
        for family, where in places:
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.settimeout(min(_TRY_S, max(0.01, deadline_s - time.monotonic())))
            try:
                connection.connect(where)
                if connection.getsockname() != connection.getpeername():
                    return connection
                connection.close()  # the kernel chose the port that is dialled, and nobody listens there
                reason = "nobody listens"
            except OSError as error:
                connection.close()
                reason = error.strerror or "no answer"
        if time.monotonic() + _RETRY_S >= deadline_s:
            waited_s = time.monotonic() - began_s
            how = f"never arrived: no answer at {write(address)} for {waited_s:.0f} s ({reason}); is it started there?"
            raise PartyLost(role, how)
        time.sleep(_RETRY_S)


def _resolve(address: Address, flags: int = 0) -> list[tuple[int, tuple]]:
    host, port = address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"the host {host!r} is unknown ({error}); check the spelling, or give its IP address") from None
    return [(family, where) for family, _, _, _, where in found]
