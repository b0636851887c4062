"""What a run has found, in the terminal: for one model sentences and a table per layer, for several a comparison."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pi_bench.results.causes import causes
from pi_bench.results.order import Card
from pi_bench.results.sentences import (
    by_network,
    comparison,
    comparison_bits,
    correctness,
    correctness_cells,
    fit_words,
    headline,
    models,
    network_words,
    not_measured,
    offline_rows,
    ratio_words,
    site_rows,
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
    _say_causes(console, cards)
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
    table = _table("", justified=("rounds", "bytes", "computing", "rounds\ntake", "bytes\ntake", "latency"))
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
    headers = ("ReLUs\nkept", "online\n(95%)", "ratio\n(95%)", "rounds\nbytes sent", "offline\nreceived")
    table = _table("model\nprotocol", justified=headers)
    table.title = f"online on {network_words(cards[0]['network'])}; ratios to the first row"
    for card, model in zip(cards, models(cards), strict=True):
        online, offline = card["online"], card["offline"]
        table.add_row(
            Name(f"{model}\n{plain(card['protocol'])}"),
            f"{card['relu']['kept']:,}",
            f"{duration(online['latency_ms']['median'])}\n({span(*online['latency_ms']['ci95'])})",
            "1" if card is cards[0] else ratio_words(card, cards[0]).replace(" ", "\n"),
            f"{online['rounds']:,}\n{size(online['bytes_per_party'])}",
            f"{duration(1000 * offline['seconds'])}\n{size(offline['bytes_per_party'])}",
        )
    return table


def correctness_table(cards: Sequence[Card]) -> Table:
    """How far each run's answers agree with plaintext; they are checked once for all networks."""
    headers = ("match\n(95%)", "largest\nerror", "wraps", "out of\nrange", "accuracy", "in\nplaintext")
    table = _table("model\nprotocol", justified=headers)
    table.title = (
        "right answers: the same class as plaintext; largest error of a logit; wrapped truncations; values out of their "
        "comparison's range; accuracy"
    )
    rows = (
        (f"{model}\n{plain(card['protocol'])}", *correctness_cells(card))
        for card, model in zip(cards, models(cards), strict=True)
    )
    for name, match, interval, *cells in dict.fromkeys(rows):
        table.add_row(Name(name), f"{match}\n({interval})", *cells)
    return table


def offline_table(card: Card) -> Table:
    """What an inference takes before its input is known: bytes by direction, seconds by role, and what is held."""
    table = _table("", justified=("measured", "predicted"))
    table.title = "offline, for each inference"
    for row in offline_rows(card):
        table.add_row(*row)
    return table


def site_table(card: Card) -> Table:
    """How many bits are compared at each site, and what that is enough for."""
    table = _table("site", justified=("ReLUs kept", "bits compared", "right for values below"))
    table.title = "comparison bits, by site"
    for site, *cells in site_rows(card):
        table.add_row(Name(site), *cells)
    return table


def shared(cards: Sequence[Card]) -> list[tuple[str, str]]:
    """(name, sentence) of what has to stand beside the figures; what several cards share is said once."""
    several = len({card["network"]["name"] for card in cards}) > 1
    trust, missing = [], []
    for card in cards:
        trust.append(("Trust", plain(card["trust"])))
        missing.append((f"Not measured on {plain(card['network']['name'])}" if several else "Not measured", not_measured(card)))
    return list(dict.fromkeys(_bits(cards) + trust + missing))


def _bits(cards: Sequence[Card]) -> list[tuple[str, str]]:
    """How many bits are compared: by model, unless it is the same for all."""
    found: dict[str, list[str]] = {}
    for card, model in zip(cards, models(cards), strict=True):
        if (sentence := comparison_bits(card)) is not None:
            found.setdefault(sentence, []).append(model)
    alike = len(found) == 1
    names = {sentence: "" if alike else f", {', '.join(dict.fromkeys(of))}" for sentence, of in found.items()}
    return [(f"Comparison bits{name}", sentence) for sentence, name in names.items()]


def _show_one(card: Card, all_layers: bool, console: Console) -> None:
    _say(console, headline(card))
    console.print()
    console.print(layer_table(card, all_layers))
    console.print(prediction_table(card))
    if offline_rows(card):
        console.print(offline_table(card))
    if all_layers and site_rows(card):
        console.print(site_table(card))
    _say_causes(console, [card])
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
    table.add_row(Name(plain(name)), Text(plain(op)), relus, f"{ms:,.2f}", f"{share:.0%}", f"{rounds:,}", size(sent))


def _table(*headers: str, justified: tuple[str, ...]) -> Table:
    table = Table(title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold", min_width=10)
    for header in justified:
        table.add_column(header, justify="right", overflow="fold", no_wrap=True)
    return table


def _say_causes(console: Console, cards: Sequence[Card]) -> None:
    for what, sentence in causes(cards):
        _say(console, sentence, f"What costs most, {what}")


def _say(console: Console, sentence: str, name: str | None = None) -> None:
    text = Text(sentence) if name is None else Text.assemble((f"{name}: ", "bold"), sentence)
    console.print(text)


class Name:
    """Lines of names for a column, which break behind / + - _ where they are too long for it."""

    def __init__(self, lines: str):
        self._lines = [re.findall(r"[^/+_-]*[/+_-]*\s*", line) for line in lines.split("\n")]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        longest = max(cell_len(piece.strip()) for line in self._lines for piece in line)
        return Measurement(longest, max(cell_len("".join(line)) for line in self._lines))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Text]:
        yield from (Text(line, overflow="fold") for line in self._broken(options.max_width))

    def _broken(self, width: int) -> Iterable[str]:
        for pieces in self._lines:
            line = ""
            for piece in pieces:
                if line and cell_len((line + piece).rstrip()) > width:
                    yield line
                    line = ""
                line += piece
            yield line
