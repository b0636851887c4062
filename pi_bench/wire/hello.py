"""What parties tell each other first, and what has to be the same for both.

A hello is a dict that JSON can hold: role, versions, protocol, settings, digest of the architecture, anything else. All fields
that both have are compared, but those of `NOT_COMPARED`; a digest that is None takes the other's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pi_bench.wire.network import Network

NOT_COMPARED = {"role", "host", "pid", "hardware", "boot_id"}
_REMEDIES = {
    "digest": "start both with the same model",
    **dict.fromkeys(("network", "dealer_network"), "start both with the same --network, --rtt-ms and --mbit-per-s"),
    **dict.fromkeys(("versions", "pi_bench", "crypten", "torch", "numpy", "python"), "install the same version for both"),
}


class Refused(ValueError):
    """Two parties don't fit together, or one is not wanted."""


def boot_id() -> str:
    """What tells this run of this host's kernel, and so its clock, from all others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def compare(role: str, hello: Mapping[str, Any], other_role: str, other: Mapping[str, Any]) -> None:
    """Raises Refused for the first field in which the parties differ, naming both values."""
    _compare("", role, hello, other_role, other)


def check_clocks(network: Network, one_host: bool) -> None:
    """An emulated network needs one clock. Raises Refused for two hosts."""
    if network.emulated and not one_host:
        raise Refused(
            f"the network {network.name} is emulated, which needs processes of one host (the clocks of two differ); "
            "start all parties with --network real"
        )


def _compare(prefix: str, role: str, hello: Mapping[str, Any], other_role: str, other: Mapping[str, Any]) -> None:
    for field in sorted(hello.keys() & other.keys() - NOT_COMPARED):
        mine, yours = hello[field], other[field]
        if isinstance(mine, dict) and isinstance(yours, dict):
            _compare(f"{prefix}{field}.", role, mine, other_role, yours)
        elif mine != yours and not (field == "digest" and (mine is None or yours is None)):
            top = (prefix + field).partition(".")[0]
            remedy = _REMEDIES.get(top, f"start both with the same --{field.replace('_', '-')}")
            raise Refused(f"the {role} runs {prefix}{field} {_short(mine)}, the {other_role} {_short(yours)}: {remedy}")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
