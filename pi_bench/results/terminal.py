"""What a run has found, in the terminal: for one model sentences and a table per layer, for several a comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pi_bench.results.sentences import (
    Card,
    by_network,
    comparison,
    correctness,
    correctness_cells,
    fit_words,
    headline,
    models,
    network_words,
    not_measured,
    ratio_words,
)
from pi_bench.units import duration, plain, size, span

TOP = 10  # layers in the table, unless all are asked for


def show(cards: Sequence[Card], *, all_layers: bool = False, console: Console | None = None) -> None:
    """Prints one card in full, or several side by side. all_layers: every layer in running order, not the costliest only."""
    console = console or Console()
    if len(cards) == 1:
        _show_one(cards[0], all_layers, console)
        return
    for of_network in by_network(cards).values():
        console.print(comparison_table(of_network))
        for sentence in comparison(of_network):
            _say(console, sentence)
        console.print()
    console.print(correctness_table(cards))
    for name, sentences in shared(cards):
        _say(console, sentences, name)


def layer_table(card: Card, all_layers: bool = False) -> Table:
    """Time, rounds and bytes by layer; they sum to the run's."""
    layers, total_ms = card["layers"], card["online"]["latency_ms"]["median"]
    shown = layers if all_layers else sorted(layers, key=lambda layer: -layer["ms"])[:TOP]
    table = _table("layer", "operation", justified=("ReLUs kept", "ms", "share", "rounds", "bytes"))
    table.title = (
        "online, by layer" if len(shown) == len(layers) else f"online, the {len(shown)} costliest of {len(layers)} layers"
    )
    for layer in shown:
        _add_layers(table, layer["name"], layer["op"], [layer], total_ms)
    rest = [] if all_layers else sorted(layers, key=lambda layer: -layer["ms"])[TOP:]
    if rest:
        _add_layers(table, f"{len(rest)} others", "", rest, total_ms)
    table.add_section()
    _add_layers(table, "all", "", layers, total_ms)
    return table


def prediction_table(card: Card) -> Table:
    """The measured latency, and what rounds x RTT / 2 + bytes / bandwidth + compute say here and elsewhere."""
    online = card["online"]
    table = _table("", justified=("rounds", "bytes", "computing", "rounds take", "bytes take", "latency"))
    table.title = "measured and predicted"
    measured = "-" if online["compute_ms"] is None else duration(online["compute_ms"])
    latency = duration(online["latency_ms"]["median"])
    here = plain(card["network"]["name"])
    table.add_row(f"measured, {here}", f"{online['rounds']:,}", size(online["bytes_per_party"]), measured, "-", "-", latency)
    rounds, sent = online["predicted"]["rounds"], max(online["predicted"]["bytes"].values())
    for name, parts in sorted(card["prediction"].items(), key=lambda item: item[1]["measured_ms"] is None):
        cells = [
            "-" if parts[key] is None else duration(parts[key]) for key in ("compute_ms", "rounds_ms", "bytes_ms", "total_ms")
        ]
        table.add_row(f"predicted, {plain(name)}", f"{rounds:,}", size(sent), *cells)
    return table


def comparison_table(cards: Sequence[Card]) -> Table:
    """One row per model and protocol on one network; ratios are to the first row."""
    table = _table("model\nprotocol", justified=("ReLUs\nkept", "online\n(95%)", "ratio\n(95%)", "rounds", "bytes", "offline"))
    table.title = f"online on {network_words(cards[0]['network'])}; ratios to the first row"
    for card, model in zip(cards, models(cards), strict=True):
        online, offline = card["online"], card["offline"]
        table.add_row(
            Text(f"{model}\n{plain(card['protocol'])}"),
            f"{card['relu']['kept']:,}",
            f"{duration(online['latency_ms']['median'])}\n({span(*online['latency_ms']['ci95'])})",
            "1" if card is cards[0] else ratio_words(card, cards[0]).replace(" ", "\n"),
            f"{online['rounds']:,}",
            size(online["bytes_per_party"]),
            f"{duration(1000 * offline['seconds'])}\n{size(offline['bytes_per_party'])}",
        )
    return table


def correctness_table(cards: Sequence[Card]) -> Table:
    """How far each run's answers agree with plaintext; they are checked once for all networks."""
    table = _table("model\nprotocol", justified=("match\n(95%)", "largest\nerror", "wraps", "accuracy", "in\nplaintext"))
    table.title = "right answers: the same class as plaintext; largest error of a logit; wrapped truncations; accuracy"
    rows = (
        (f"{model}\n{plain(card['protocol'])}", *correctness_cells(card))
        for card, model in zip(cards, models(cards), strict=True)
    )
    for name, match, interval, *cells in dict.fromkeys(rows):
        table.add_row(Text(name), f"{match}\n({interval})", *cells)
    return table


def shared(cards: Sequence[Card]) -> list[tuple[str, str]]:
    """(name, sentence) of what has to stand beside the figures; what several cards share is said once."""
    several = len({card["network"]["name"] for card in cards}) > 1
    trust, missing = [], []
    for card in cards:
        trust.append(("Trust", plain(card["trust"])))
        missing.append((f"Not measured on {plain(card['network']['name'])}" if several else "Not measured", not_measured(card)))
    return list(dict.fromkeys(trust + missing))


def _show_one(card: Card, all_layers: bool, console: Console) -> None:
    _say(console, headline(card))
    console.print()
    console.print(layer_table(card, all_layers))
    console.print(prediction_table(card))
    if card["fit"] is not None:
        _say(console, fit_words(card["fit"]), "Over budgets")
    _say(console, correctness(card), "Right answers")
    for name, sentence in shared([card]):
        _say(console, sentence, name)


def _add_layers(table: Table, name: str, op: str, layers: Sequence[Mapping[str, Any]], total_ms: float) -> None:
    """A row for one layer or for several together."""
    ms, kept, total = (sum(layer[key] for layer in layers) for key in ("ms", "relu_kept", "relu_total"))
    rounds, sent = (sum(layer[key] for layer in layers) for key in ("rounds", "bytes_per_party"))
    relus = f"{kept:,} of {total:,}" if total else ""
    share = ms / total_ms if total_ms else 0.0
    table.add_row(Text(plain(name)), Text(plain(op)), relus, f"{ms:,.2f}", f"{share:.0%}", f"{rounds:,}", size(sent))


def _table(*headers: str, justified: tuple[str, ...]) -> Table:
    table = Table(title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for header in headers:
        table.add_column(header, overflow="fold", min_width=10)
    for header in justified:
        table.add_column(header, justify="right", overflow="fold", no_wrap=True)
    return table


def _say(console: Console, sentence: str, name: str | None = None) -> None:
    text = Text(sentence) if name is None else Text.assemble((f"{name}: ", "bold"), sentence)
    console.print(text)
