"""What decides the latency and the offline cost of each protocol, in words with the figures of its cards."""

from collections.abc import Sequence

from pi_bench.cost import breakdown
from pi_bench.results.order import Card, place
from pi_bench.units import duration, figures, plain, size
from pi_bench.wire.network import Network


def causes(cards: Sequence[Card]) -> list[tuple[str, str]]:
    """(what, sentence) for each protocol at the most ReLUs that its cards keep, and at the fewest but none."""
    found = []
    for protocol in dict.fromkeys(card["protocol"] for card in sorted(cards, key=lambda card: place(card)[3:])):
        of_protocol = sorted((card for card in cards if card["protocol"] == protocol), key=place)
        keeping = [card for card in of_protocol if card["relu"]["kept"]] or of_protocol
        most, fewest = ([card for card in keeping if place(card) == place(end)] for end in (keeping[0], keeping[-1]))
        found.append(_said(most, _shared_out(most[0])))
        if fewest[0]["relu"]["kept"] < most[0]["relu"]["kept"]:
            found.append(_said(fewest, _grown(fewest[0], most[0])))
    return found


def _said(cards: Sequence[Card], offline: str) -> tuple[str, str]:
    """Of one model under one protocol, on each of its networks."""
    online = "".join(f"on {plain(card['network']['name'])} {_costliest(card)}; " for card in cards)
    return f"{plain(cards[0]['protocol'])}, {cards[0]['relu']['kept']:,} ReLUs", f"{online}offline {offline}."


def _costliest(card: Card) -> str:
    """The part that most of the latency goes into."""
    parts, whole = breakdown(card["layers"], Network(**card["network"])), duration(card["online"]["latency_ms"]["median"])
    layers = sum(layer["relu_total"] > 0 and layer["rounds"] > 0 for layer in card["layers"])
    ms, what, where = max(
        (parts.linear_ms, "all layers but ReLUs take", ""),
        (parts.relu_compute_ms, "computing the ReLUs takes", ""),
        (parts.relu_bytes_ms, "the bytes of the ReLUs take", " on the line"),
        (parts.relu_rounds_ms, "1 ReLU layer takes" if layers == 1 else f"{layers} ReLU layers take", " in round trips"),
    )
    return f"{what} {duration(ms)} of {whole}{where}"


def _shared_out(card: Card) -> str:
    """Offline bytes over all ReLUs, for one budget does not tell theirs from the other layers'."""
    count, kept = card["offline"]["bytes_per_party"], card["relu"]["kept"]
    return f"{size(count)}" + (f", {figures(count / kept)} bytes a ReLU with what the other layers take" if kept else "")


def _grown(fewest: Card, most: Card) -> str:
    """Offline bytes, and what they grow by from the fewest ReLUs to the most."""
    less, more = (card["offline"]["bytes_per_party"] for card in (fewest, most))
    relus = most["relu"]["kept"] - fewest["relu"]["kept"]
    return f"{size(less)}, and {figures((more - less) / relus)} bytes for each ReLU more"
