"""The secure protocols by name, each with its parts.

A protocol joins parts (part.py) for the input, the linear operations, the ReLUs and the output. Adding one means writing parts
and naming it here and in settings.py.
"""

from collections.abc import Mapping

from pi_bench.cost import ZERO, Cost
from pi_bench.model.operations import RESERVED, Architecture
from pi_bench.protocols.crypten.input import CommonInput
from pi_bench.protocols.crypten.linear import MaskedLinear
from pi_bench.protocols.crypten.plain import OpenedLinear, WholeReLU
from pi_bench.protocols.crypten.relu import KeptReLU
from pi_bench.protocols.one_trip.input import MaskedInput
from pi_bench.protocols.one_trip.linear import OfflineLinear
from pi_bench.protocols.one_trip.relu import OneTripReLU
from pi_bench.protocols.output import Revealed
from pi_bench.protocols.protocol import Protocol
from pi_bench.protocols.settings import FIRST_PARTY_MAY_DEAL, Settings

SHARES = (
    "Each party sees additive shares, and what is opened of them behind masks that the dealer deals and that are used once."
)

PROTOCOLS: Mapping[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "one-trip",
            "masked values at the server, their masks at the client beforehand; a ReLU layer is one message each way",
            MaskedInput(),
            OfflineLinear(),
            OneTripReLU(),
            Revealed(),
            "The server sees the client's values behind masks, and the client the weights and what is compared; every mask is "
            "uniform and hides one value once. The dealer sends comparison keys and shares, of which each party's part tells "
            "it nothing without the other's. Assumed: what is compared is within the range that the server has chosen by its "
            "own images, and which is public; a value beyond makes an answer wrong.",
        ),
        Protocol(
            "crypten",
            "CrypTen's comparison on the kept elements only; weights opened once per model; products in float64 limbs",
            CommonInput(),
            MaskedLinear(),
            KeptReLU(),
            Revealed(),
            SHARES,
        ),
        Protocol(
            "crypten-plain",
            "CrypTen's ReLU on the whole map times the mask; weights opened at every inference; CrypTen's int64 products",
            CommonInput(),
            OpenedLinear(),
            WholeReLU(),
            Revealed(),
            SHARES,
        ),
    )
}
assert PROTOCOLS.keys() == FIRST_PARTY_MAY_DEAL.keys()


def reads_bits(settings: Settings) -> bool:
    """Whether comparisons read as many bits of a value as they are told to."""
    return PROTOCOLS[settings.protocol].relu.reads_bits


def costs(architecture: Architecture, settings: Settings) -> dict[str, Cost]:
    """What each operation of one inference costs, by name, from "input" to "output".

    Of operations that share their messages the first has the cost of all.
    """
    protocol = PROTOCOLS[settings.protocol]
    of_layer = protocol.costs(architecture, settings)
    found = {}
    for layer in protocol.layers(architecture, settings):
        first, *others = (operation.name for operation in layer.operations)
        found |= {layer.name if layer.name in RESERVED else first: of_layer[layer.name], **dict.fromkeys(others, ZERO)}
    return found
