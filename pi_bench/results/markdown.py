"""Cards as one Markdown table, for a README: a row for each network under each protocol, a column for each emulated network."""

from collections.abc import Mapping, Sequence

from pi_bench.results.order import Card, place
from pi_bench.units import duration, size, span


def table(cards: Sequence[Card]) -> str:
    """Median online latency with its 95% interval, rounds, bytes of the party that sends more, and for each inference offline:
    time, on the first network, and bytes of the party that receives more."""
    networks = list(dict.fromkeys(card["network"]["name"] for card in cards))
    rows: dict[tuple, dict[str, Card]] = {}
    for card in cards:
        rows.setdefault(place(card), {})[card["network"]["name"]] = card
    head = ["ReLUs", "protocol", *networks, "rounds", "bytes", "offline"]
    lines = [head, ["--:", "---", *["--:"] * (len(head) - 2)]]
    lines += [_row(rows[at], networks) for at in sorted(rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(found: Mapping[str, Card], networks: Sequence[str]) -> list[str]:
    first = next(iter(found.values()))
    mode, online, offline = first["model"]["mode"], first["online"], first["offline"]
    name = first["protocol"] if mode is None else f"{first['protocol']}, {mode}"
    latencies = [_latency(found[network]) if network in found else "" for network in networks]
    before = f"{duration(1000 * offline['seconds'])}, {size(offline['bytes_per_party'])}"
    return [f"{first['relu']['kept']:,}", name, *latencies, str(online["rounds"]), size(online["bytes_per_party"]), before]


def _latency(card: Card) -> str:
    found = card["online"]["latency_ms"]
    return f"{duration(found['median'])} ({span(*found['ci95'])})"
