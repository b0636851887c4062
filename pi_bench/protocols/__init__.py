"""Secure protocols, by name: the only part of the project that imports crypten, and only where parties run.

A protocol joins a part for linear operations and a part for ReLUs (parts.py). Adding one means writing a part and naming it
here.
"""

from collections.abc import Mapping

from pi_bench.cost import Cost
from pi_bench.model.operations import Architecture
from pi_bench.protocols.crypten_plain import OpenedLinear, WholeReLU
from pi_bench.protocols.crypten_relu import KeptReLU
from pi_bench.protocols.masked_linear import MaskedLinear
from pi_bench.protocols.protocol import Protocol

PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "crypten",
            "CrypTen's comparison on the kept elements only; weights opened once per model; products in float64 limbs",
            MaskedLinear(),
            KeptReLU(),
        ),
        Protocol(
            "crypten-plain",
            "CrypTen's ReLU on the whole map times the mask; weights opened at every inference; CrypTen's int64 products",
            OpenedLinear(),
            WholeReLU(),
            allows_first_party=True,
        ),
    )
}


def names() -> tuple[str, ...]:
    return tuple(PROTOCOLS)


def costs(protocol: str, architecture: Architecture, batch: int = 1) -> dict[str, Cost]:
    """What each layer of one inference costs: "input", every operation by name, "output"."""
    return PROTOCOLS[protocol].costs(architecture, batch)
