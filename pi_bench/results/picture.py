"""One picture of a run: latency on each network and bytes against the ReLUs kept, stacked by what costs them."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pi_bench.cost import breakdown
from pi_bench.results.sentences import Card, by_network, models, network_words
from pi_bench.units import figures, plain, short_count
from pi_bench.wire.network import Network

# Okabe and Ito's palette, which colour-blind people can tell apart
LINEAR, RELU_COMPUTE, RELU_BYTES, RELU_ROUNDS = "#9aa5b1", "#0072b2", "#e69f00", "#cc4e00"
LATENCY_PARTS = {
    "all but ReLUs": LINEAR,
    "ReLU computing": RELU_COMPUTE,
    "ReLU bytes on the line": RELU_BYTES,
    "ReLU rounds (waiting)": RELU_ROUNDS,
}
HATCHES = ("", "////", "....", "xxxx")
INK, FAINT = "#22272e", "#d9dee4"
STYLE = {
    "font.size": 9,
    "axes.edgecolor": INK,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.6,
    "svg.hashsalt": "pi_bench",  # the same cards give the same bytes
}


def draw(cards: Sequence[Card]) -> Figure:
    """A panel per network with the latency, then one with the bytes; a group of bars per budget, in it one per protocol.

    The caller closes the figure. Raises ValueError for no cards.
    """
    if not cards:
        raise ValueError("a picture needs at least one card")
    networks = list(by_network(cards).values())
    protocols = list(dict.fromkeys(card["protocol"] for card in cards))
    columns = min(2, len(networks) + 1)
    rows = -(-(len(networks) + 1) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(5.4 * columns, 3.3 * rows + 0.8), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        panels = list(axes.flat)
        for axis, of_network in zip(panels, networks, strict=False):
            _latency(axis, of_network, protocols)
        _bytes(panels[len(networks)], cards, protocols)
        for axis in panels[len(networks) + 1 :]:
            axis.set_axis_off()
        _legend(figure, protocols)
    return figure


def write_png(cards: Sequence[Card], path: Path) -> None:
    """Draws the cards into a PNG file, which is whole or not there. Raises OSError and ValueError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(_rendered(cards, "png"))
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def svg(cards: Sequence[Card]) -> str:
    """The picture as an <svg> element to stand in a page: no XML head, no metadata, nothing loaded from elsewhere."""
    text = _rendered(cards, "svg").decode()
    return text[text.index("<svg") :]


def _rendered(cards: Sequence[Card], kind: str) -> bytes:
    figure = draw(cards)
    buffer = io.BytesIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None} if kind == "svg" else {"Software": None}
    with rc_context(STYLE):
        figure.savefig(buffer, format=kind, dpi=160, metadata=nothing)
    return buffer.getvalue()


def _latency(axis: Axes, cards: Sequence[Card], protocols: list[str]) -> None:
    network = Network(**cards[0]["network"])
    stacks = {}
    for card in cards:
        parts = breakdown(card["layers"], network)
        ms = (parts.linear_ms, parts.relu_compute_ms, parts.relu_bytes_ms, parts.relu_rounds_ms)
        stacks[_group(card), card["protocol"]] = ms
    scale, unit = (1000, "seconds") if max(sum(ms) for ms in stacks.values()) >= 1000 else (1, "milliseconds")
    _bars(axis, stacks, list(LATENCY_PARTS.values()), protocols, scale)
    _label(axis, cards, f"Online latency on {network_words(cards[0]['network'])}", f"{unit} (median)")


def _bytes(axis: Axes, cards: Sequence[Card], protocols: list[str]) -> None:
    """Online bytes of the party that sends more; they are the same on every network."""
    stacks = {}
    for card in cards:
        relu = sum(layer["bytes_per_party"] for layer in card["layers"] if layer["relu_total"])
        stacks[_group(card), card["protocol"]] = (card["online"]["bytes_per_party"] - relu, relu)
    _bars(axis, stacks, [LINEAR, RELU_BYTES], protocols, 1e6)
    _label(axis, cards, "Online bytes, sent by one party", "MB")


def _group(card: Card) -> tuple[int, str, str]:
    """What stands at one place of the axis: a model in one mode, ordered by how many ReLUs it keeps."""
    return card["relu"]["kept"], card["model"]["path"], card["model"]["mode"] or ""


def _bars(axis: Axes, stacks: dict, colours: list[str], protocols: list[str], scale: float) -> None:
    """Stacked bars with their sums above: stacks[group, protocol] are the parts from the bottom up, divided by `scale`."""
    groups = sorted({group for group, _ in stacks})
    width = 0.8 / len(protocols)
    for (group, protocol), parts in stacks.items():
        i = protocols.index(protocol)
        place, bottom = groups.index(group) + (i - (len(protocols) - 1) / 2) * width, 0.0
        for part, colour in zip(parts, colours, strict=True):
            hatch = HATCHES[i % len(HATCHES)]
            axis.bar(place, part / scale, 0.92 * width, bottom, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
            bottom += part / scale
        rotation = 0 if len(groups) * len(protocols) <= 14 else 90
        axis.annotate(
            figures(bottom), (place, bottom), (0, 3), textcoords="offset points", ha="center", fontsize=7.5, rotation=rotation
        )
    axis.set_ylim(0, 1.14 * max(sum(parts) for parts in stacks.values()) / scale or 1)
    empty = max(0.0, 3 - len(groups)) / 2  # one bar alone is not as wide as the panel
    axis.set_xlim(-0.6 - empty, len(groups) - 0.4 + empty)


def _label(axis: Axes, cards: Sequence[Card], title: str, unit: str) -> None:
    groups = {_group(card): name for card, name in zip(cards, models(cards), strict=True)}
    counts = [kept for kept, *_ in groups]
    alike = len(set(counts)) < len(counts)  # then the count alone does not say which model
    places = [short_count(group[0]) + (f"\n{groups[group]}" if alike else "") for group in sorted(groups)]
    axis.set_xticks(range(len(places)), [place.replace("$", r"\$") for place in places])
    axis.set_xlabel("ReLUs kept, per image")
    axis.set_ylabel(unit)
    axis.set_title(title.replace("$", r"\$"), loc="left", fontsize=9.5, fontweight="bold")
    axis.grid(axis="y", color=FAINT, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(length=0)


def _legend(figure: Figure, protocols: list[str]) -> None:
    handles = [Patch(facecolor=colour, label=name) for name, colour in LATENCY_PARTS.items()]
    if len(protocols) > 1:
        handles += [
            Patch(facecolor=LINEAR, edgecolor="white", hatch=HATCHES[i % len(HATCHES)], linewidth=0, label=plain(protocol))
            for i, protocol in enumerate(protocols)
        ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6), frameon=False, fontsize=8)
