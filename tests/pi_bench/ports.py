"""Ports for parties that are told where to listen before they do."""

import random
import socket
from pathlib import Path

LOWEST = 15_000


def free_address() -> tuple[str, int]:
    """A port of this host that is free, and that the kernel gives nobody who asks for any: it is so still in a moment."""
    handed_out = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert handed_out > LOWEST
    for port in random.SystemRandom().sample(range(LOWEST, handed_out), 100):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return "127.0.0.1", port
    raise AssertionError("a hundred ports are in use")
