"""In which order cards are shown: by network, then the most ReLUs first, then by model, then by protocol."""

from collections.abc import Mapping
from typing import Any

from pi_bench.protocols.settings import PROTOCOL_NAMES
from pi_bench.wire.network import PROFILES

Card = Mapping[str, Any]


def place(card: Card) -> tuple[int, str, str, int, str]:
    """Where a card stands among others on its network."""
    model, protocol = card["model"], card["protocol"]
    number = PROTOCOL_NAMES.index(protocol) if protocol in PROTOCOL_NAMES else len(PROTOCOL_NAMES)
    return -card["relu"]["kept"], model["path"], model["mode"] or "", number, protocol


def place_among_all(card: Card) -> tuple[Any, ...]:
    """Where it stands among those of all networks; own ones come last."""
    name, profiles = card["network"]["name"], list(PROFILES)
    return profiles.index(name) if name in profiles else len(profiles), name, place(card)
