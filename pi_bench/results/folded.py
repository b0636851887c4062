"""The parts of a page that fold out, a table for each card: its layers, its offline phase, its comparisons."""

from collections.abc import Sequence

from pi_bench.results.markup import Html, element, table
from pi_bench.results.order import Card
from pi_bench.results.sentences import comparison_bits, labels, offline_rows, received, site_rows
from pi_bench.units import duration, size


def layers(cards: Sequence[Card]) -> Html:
    found = []
    for card, name in zip(cards, labels(cards), strict=True):
        latency = duration(card["online"]["latency_ms"]["median"])
        found.append(_folded(f"{name} on {card['network']['name']}: {latency}", _layer_table(card)))
    explained = "What a party that only sent is waited for shows in the layer that needs the answer, not in the one that sent."
    return Html(element("h2", "Layer by layer") + element("p", explained, kind="soft") + "".join(found))


def _layer_table(card: Card) -> Html:
    rows, keys = [], ("relu_kept", "relu_total", "rounds", "bytes_per_party", "ms")
    sums = {"name": "all", "op": "", **{key: sum(layer[key] for layer in card["layers"]) for key in keys}}
    for layer in (*card["layers"], sums):
        relus = f"{layer['relu_kept']:,} of {layer['relu_total']:,}" if layer["relu_total"] else ""
        cells = (f"{layer['rounds']:,}", size(layer["bytes_per_party"]), f"{layer['ms']:,.2f}")
        rows.append((layer["name"], layer["op"], relus, *cells))
    return table(("layer", "operation"), ("ReLUs kept", "rounds", "bytes", "ms"), rows, summed=True)


def offline(cards: Sequence[Card]) -> Html:
    """By direction and role; older cards do not tell them apart."""
    known = [(card, name) for card, name in zip(cards, labels(cards), strict=True) if offline_rows(card)]
    if not known:
        return Html()
    explained = (
        "For each inference, before its input is known: bytes by direction, beside what the formulas say; how long each party "
        "and the dealer take, all at the same time; and what a party holds until the inference uses it up."
    )
    found = [
        _folded(
            f"{name} on {card['network']['name']}: {duration(1000 * card['offline']['seconds'])}, "
            f"{size(card['offline']['bytes_per_party'])} received by {received(card)[0]}",
            table(("offline",), ("measured", "predicted"), offline_rows(card)),
        )
        for card, name in known
    ]
    return Html(element("h2", "Offline, by direction and role") + element("p", explained, kind="soft") + "".join(found))


def comparisons(cards: Sequence[Card]) -> Html:
    """They are the same on every network."""
    found = {
        f"{name}: {read}": table(("site",), ("ReLUs kept", "bits compared", "right for values below"), site_rows(card))
        for card, name in zip(cards, labels(cards), strict=True)
        if (read := comparison_bits(card)) is not None
    }
    if not found:
        return Html()
    explained = (
        "A comparison that reads fewer bits of a value needs smaller keys and is right as long as the value is small enough. "
        "How many bits each site reads is public."
    )
    folded = "".join(_folded(summary, sites) for summary, sites in found.items())
    return Html(element("h2", "Comparison bits") + element("p", explained, kind="soft") + folded)


def _folded(summary: str, content: Html) -> Html:
    return element("details", element("summary", summary), content)
