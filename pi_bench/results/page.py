"""The results as one HTML page that needs nothing but itself: figures, picture, comparison, layers, and what is behind them."""

import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from pi_bench.results import folded, picture
from pi_bench.results.causes import causes
from pi_bench.results.markup import Html, bars, element, table, text
from pi_bench.results.order import Card
from pi_bench.results.sentences import (
    by_network,
    comparison,
    correctness,
    correctness_cells,
    fit_words,
    headline,
    labels,
    models,
    network_words,
    not_measured,
    ratio_words,
    received,
)
from pi_bench.units import duration, size, span

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
"""


def write(cards: Sequence[Card], path: Path) -> None:
    """Writes the page, whole or not at all. Raises OSError, and ValueError for no cards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(render(cards), encoding="utf-8")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def render(cards: Sequence[Card]) -> str:
    """The whole page."""
    if not cards:
        raise ValueError("a page needs at least one card")
    title = f"Private inference: {models(cards[:1])[0]}" + (f" and {len(cards) - 1} more runs" if len(cards) > 1 else "")
    style = resources.files("pi_bench.results").joinpath("page.css").read_text(encoding="utf-8")
    sections = (
        element("h1", title),
        _headline(cards[0]),
        element("h2", "Time and bytes"),
        Html(
            f'<figure role="img" aria-label="Latency, bytes and the offline phase, by kept ReLUs">{picture.svg(cards)}</figure>'
        ),
        *(_comparison(of_network) for of_network in by_network(cards).values() if len(of_network) > 1),
        _causes(cards),
        _once_and_always(cards),
        folded.offline(cards),
        _predictions(cards),
        folded.layers(cards),
        _correctness(cards),
        folded.comparisons(cards),
        _behind(cards),
    )
    body = "\n".join(sections)
    return f"{HEAD}<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"


def _headline(card: Card) -> Html:
    online, latency, offline = card["online"], card["online"]["latency_ms"], card["offline"]
    relu = card["relu"]
    tiles = (
        (duration(latency["median"]), f"online, median of {latency['n']}; 95% {span(*latency['ci95'])}"),
        (f"{relu['kept']:,}", f"ReLUs kept of {relu['total']:,}"),
        (f"{online['rounds']:,}", "rounds online"),
        (size(online["bytes_per_party"]), "online, sent by one party"),
        (
            duration(1000 * offline["seconds"]),
            f"offline before it; {size(offline['bytes_per_party'])} received by {received(card)[0]}",
        ),
    )
    shown = [element("div", element("b", figure), element("span", words), kind="tile") for figure, words in tiles]
    return Html(element("p", headline(card)) + element("div", *shown, kind="tiles"))


def _comparison(cards: Sequence[Card]) -> Html:
    first = cards[0]
    names = labels(cards)
    times = [card["online"]["latency_ms"]["median"] for card in cards]
    ratios = ["reference" if card is first else ratio_words(card, first) for card in cards]
    latency = bars(
        [
            (name, ms, f"{duration(ms)} ({ratio})", card["protocol"] != first["protocol"])
            for name, ms, ratio, card in zip(names, times, ratios, cards, strict=True)
        ]
    )
    said = comparison(cards)
    return Html(
        element("h3", f"Online latency on {network_words(first['network'])}")
        + latency
        + "".join(element("p", sentence, kind="soft") for sentence in said)
    )


def _once_and_always(cards: Sequence[Card]) -> Html:
    rows = []
    for card, name in zip(cards, labels(cards), strict=True):
        online, offline, setup = card["online"], card["offline"], card["setup"]
        rows.append(
            (
                name,
                card["network"]["name"],
                duration(online["latency_ms"]["median"]),
                size(online["bytes_per_party"]),
                duration(1000 * offline["seconds"]),
                size(offline["bytes_per_party"]),
                duration(1000 * setup["seconds"]),
                size(max(setup["bytes"].values())),
            )
        )
    explained = (
        "Online: from the client's input to its logits. Offline: what is dealt and prepared for every inference before its "
        "input is known. Once: set-up of a model. Bytes are one-way: online those of the party that sends more, offline those "
        "of the party that receives more, once those of whoever sends most."
    )
    numbers = ("online", "bytes", "offline", "bytes", "once", "bytes")
    return Html(
        element("h2", "Online, offline, once") + element("p", explained, kind="soft") + table(("run", "network"), numbers, rows)
    )


def _causes(cards: Sequence[Card]) -> Html:
    explained = (
        "Of each latency the part that takes most of it. A round trip is a question and its answer: a ReLU layer waits for "
        "its round trips however few ReLUs it keeps, while bytes and computing grow with the ReLUs."
    )
    said = "".join(element("p", element("b", f"{what}: "), sentence) for what, sentence in causes(cards))
    return Html(element("h2", "What costs most") + element("p", explained, kind="soft") + said)


def _predictions(cards: Sequence[Card]) -> Html:
    rows = []
    for card, name in zip(cards, labels(cards), strict=True):
        for network, parts in sorted(card["prediction"].items(), key=lambda item: item[1]["measured_ms"] is None):
            if parts["measured_ms"] is None and len(cards) > 1:
                continue  # of several runs each has its own network only
            keys = ("compute_ms", "rounds_ms", "bytes_ms", "total_ms", "measured_ms")
            rows.append((name, network, *("-" if parts[key] is None else duration(parts[key]) for key in keys)))
    explained = (
        "Predicted = computing + rounds x RTT / 2 + bytes / bandwidth; rounds and bytes are those of the protocol's formulas, "
        "computing is what the slower party did not wait, as measured in the same run."
    )
    numbers = ("computing", "rounds take", "bytes take", "predicted", "measured")
    return Html(
        element("h2", "Predicted beside measured")
        + element("p", explained, kind="soft")
        + table(("run", "network"), numbers, rows)
    )


def _correctness(cards: Sequence[Card]) -> Html:
    """Answers are checked once for all networks, so what is the same is said once."""
    rows = dict.fromkeys((name, *correctness_cells(card)) for name, card in zip(labels(cards), cards, strict=True))
    numbers = ("match", "95%", "largest error", "wraps", "out of range", "accuracy", "in plaintext")
    checked = element("p", f"{correctness(cards[0])}.") if len(rows) == 1 else table(("run",), numbers, rows)
    explained = (
        "A match is the same class as in plaintext; the largest error is of a logit; a wrap is a truncation that spoilt a "
        "value; a value is out of range that was too large for its comparison; accuracy is that under encryption."
    )
    fits = dict.fromkeys(
        f"{card['protocol']} on {card['network']['name']}: {fit_words(card['fit'])}."
        for card in cards
        if card["fit"] is not None
    )
    lines = Html(element("h3", "Latency by kept ReLUs") + "".join(element("p", line) for line in fits)) if fits else Html()
    return Html(element("h2", "Right answers") + element("p", explained, kind="soft") + checked + lines)


def _behind(cards: Sequence[Card]) -> Html:
    """Trust, what was not measured, machines, commands."""
    trust = dict.fromkeys(f"{card['protocol']} ({card['provider']}): {card['trust']}" for card in cards)
    missing = dict.fromkeys(not_measured(card) for card in cards)
    first = cards[0]
    how = (
        f"{first['threads']} thread(s) per party, {first['warmups']} warm-ups dropped, batch {first['batch']}, "
        f"{first['precision_bits']} bits after the binary point; date {first['date']}, commit {first['commit'] or 'unknown'}."
    )
    machines = [
        (role, party["machine"], _pairs(party["hardware"]), _pairs(party["versions"]))
        for role, party in first["parties"].items()
    ]
    commands = [element("p", element("code", command)) for command in dict.fromkeys(card["command"] for card in cards)]
    hashes = dict.fromkeys(f"{card['model']['path']}: SHA-256 {card['model']['sha256']}" for card in cards)
    return Html(
        element("h2", "Trust")
        + "".join(element("p", line) for line in trust)
        + element("h2", "Not measured")
        + "".join(element("p", line) for line in missing)
        + element("h2", "How it was measured")
        + element("p", how)
        + table(("party", "machine", "hardware", "versions"), (), machines)
        + "".join(commands)
        + "".join(element("p", line, kind="soft") for line in hashes)
    )


def _pairs(found: object) -> str:
    return ", ".join(f"{key} {value}" for key, value in found.items()) if isinstance(found, Mapping) else str(found)
