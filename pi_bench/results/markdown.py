"""Cards as one Markdown table, for a README: a row for each network under each protocol, a column for each emulated network."""

from collections.abc import Mapping, Sequence
from typing import Any

from pi_bench.units import duration, size, span

Card = Mapping[str, Any]


def table(cards: Sequence[Card]) -> str:
    """Median online latency with its 95% interval, rounds, bytes of the party that sends more, and offline per inference."""
    networks = list(dict.fromkeys(card["network"]["name"] for card in cards))
    rows: dict[tuple[str, str, int], dict[str, Card]] = {}
    for card in cards:
        mode = card["model"]["mode"]
        name = card["protocol"] if mode is None else f"{card['protocol']}, {mode}"
        key = (card["model"]["path"], name, card["relu"]["kept"])
        rows.setdefault(key, {})[card["network"]["name"]] = card
    head = ["ReLUs", "protocol", *networks, "rounds", "bytes", "offline"]
    lines = [head, ["--:", "---", *["--:"] * (len(head) - 2)]]
    lines += [_row(kept, name, found, networks) for (_, name, kept), found in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(kept: int, name: str, found: Mapping[str, Card], networks: Sequence[str]) -> list[str]:
    first = next(iter(found.values()))
    latencies = [_latency(found[network]) if network in found else "" for network in networks]
    offline = f"{duration(first['offline']['seconds'] * 1e3)}, {size(first['offline']['bytes_per_party'])}"
    online = first["online"]
    return [f"{kept:,}", name, *latencies, str(online["rounds"]), size(online["bytes_per_party"]), offline]


def _latency(card: Card) -> str:
    found = card["online"]["latency_ms"]
    return f"{duration(found['median'])} ({span(*found['ci95'])})"
