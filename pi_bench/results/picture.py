"""One picture of a run: latency on each network, online bytes and the offline phase, each by what costs it.

A bar lies in a row of its own, its protocol before it and its length in words behind it; rows that keep the same ReLUs stand
together. So many bars can be read, and short ones beside long ones.
"""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pi_bench.cost import breakdown
from pi_bench.results.order import Card, place
from pi_bench.results.sentences import by_network, models, network_words, received
from pi_bench.units import duration, plain, size
from pi_bench.wire.network import Network

# Okabe and Ito's palette, which colour-blind people can tell apart
LINEAR, RELU_COMPUTE, RELU_BYTES, RELU_ROUNDS = "#9aa5b1", "#0072b2", "#e69f00", "#cc4e00"
ROLES = {"server": "#cc79a7", "client": "#56b4e9", "dealer": "#009e73", "unknown": "#5d6875"}
LEGEND = {
    "all but ReLUs": LINEAR,
    "ReLU computing": RELU_COMPUTE,
    "ReLU bytes on the line": RELU_BYTES,
    "ReLU rounds (waiting)": RELU_ROUNDS,
    "server (offline)": ROLES["server"],
    "client (offline)": ROLES["client"],
    "dealer (offline)": ROLES["dealer"],
    "offline, of all (older card)": ROLES["unknown"],
}
INK, SOFT, FAINT = "#22272e", "#5d6875", "#d9dee4"
STYLE = {
    "font.size": 8,
    "axes.edgecolor": INK,
    "text.color": INK,
    "text.parse_math": False,  # there may be a $ in a name
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "pi_bench",  # the same cards give the same bytes
}
COLUMN_INCHES, ROW_INCHES, AROUND_INCHES = 3.8, 0.165, 0.9
THICK = 0.8  # of a row
LONGEST_NAME = 34

Place = tuple[int, str, str, int, str]
Bars = Mapping[Place, Mapping[str, float]]  # lengths by colour


def draw(cards: Sequence[Card]) -> Figure:
    """A panel per network with the latency; then online bytes, offline bytes and offline time. The caller closes the figure.

    Raises ValueError for no cards.
    """
    if not cards:
        raise ValueError("a picture needs at least one card")
    first = list({place(card): card for card in reversed(cards)}.values())  # of each row, on the first of its networks
    latencies = [partial(_latency, cards=of_network) for of_network in by_network(cards).values()]
    costs = [partial(panel, cards=first) for panel in (_online_bytes, _offline_bytes, _offline_time)]
    columns = 2 if len(latencies) == 1 else 3
    blanks = [_blank] * (-len(latencies) % columns if columns == 3 else 0)
    panels = [*latencies, *blanks, *costs]
    with rc_context(STYLE):
        rows, lines = _Rows(cards), len(panels) // columns
        high = lines * (AROUND_INCHES + ROW_INCHES * rows.count) + 0.4
        figure = Figure((COLUMN_INCHES * columns, high), layout="constrained")
        for axis, panel in zip(figure.subplots(lines, columns).flat, panels, strict=True):
            panel(axis, rows)
        _legend(figure)
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


class _Rows:
    """Which row each bar lies in, the same in every panel: under a heading per model a row per protocol."""

    def __init__(self, cards: Sequence[Card]):
        named = {place(card): (card, model) for card, model in zip(cards, models(cards), strict=True)}
        groups = list(dict.fromkeys(at[:3] for at in sorted(named)))
        alike = len({kept for kept, *_ in groups}) < len(groups)  # then the count alone does not say which model
        self.headings: dict[int, str] = {}
        self.names: dict[int, str] = {}
        self.of: dict[Place, int] = {}
        self.count = 0
        group = None
        for at, (card, model) in sorted(named.items()):
            if at[:3] != group:
                group = at[:3]
                self.headings[self.count] = f"{card['relu']['kept']:,} ReLUs" + (f", {_short(model)}" if alike else "")
                self.count += 1
            self.of[at], self.names[self.count] = self.count, plain(card["protocol"])
            self.count += 1


def _short(name: str) -> str:
    """A name that fits a panel: both ends tell more than the middle."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME // 2]}…{name[-LONGEST_NAME // 2 + 1 :]}"


def _latency(axis: Axes, rows: _Rows, cards: Sequence[Card]) -> None:
    network, bars = Network(**cards[0]["network"]), {}
    for card in cards:
        parts = breakdown(card["layers"], network)
        ms = (parts.linear_ms, parts.relu_compute_ms, parts.relu_bytes_ms, parts.relu_rounds_ms)
        bars[place(card)] = dict(zip((LINEAR, RELU_COMPUTE, RELU_BYTES, RELU_ROUNDS), ms, strict=True))
    scale, unit = (1000, "seconds") if max(sum(ms.values()) for ms in bars.values()) >= 1000 else (1, "milliseconds")
    _stack(axis, rows, bars, scale, duration)
    _label(axis, rows, "Online latency", network_words(cards[0]["network"]), f"{unit}, median")


def _online_bytes(axis: Axes, rows: _Rows, cards: Sequence[Card]) -> None:
    bars = {}
    for card in cards:
        relu = sum(layer["bytes_per_party"] for layer in card["layers"] if layer["relu_total"])
        bars[place(card)] = {LINEAR: card["online"]["bytes_per_party"] - relu, RELU_BYTES: relu}
    _stack(axis, rows, bars, 1e6, size)
    _label(axis, rows, "Online bytes", "sent by the party that sends more, on any network", "MB")


def _offline_bytes(axis: Axes, rows: _Rows, cards: Sequence[Card]) -> None:
    bars = {place(card): {ROLES[sender]: count for sender, count in received(card)[1].items()} for card in cards}
    _stack(axis, rows, bars, 1e6, size)
    _label(axis, rows, "Offline bytes", "received by the party that receives more, by sender", "MB")


def _offline_time(axis: Axes, rows: _Rows, cards: Sequence[Card]) -> None:
    """Parties and dealer work at the same time, so that their times lie beside each other in a row."""
    for card in cards:
        offline, row = card["offline"], rows.of[place(card)]
        seconds = offline["seconds_by_role"] or {"unknown": offline["seconds"]}
        roles = [role for role in ROLES if role in seconds]
        for i, role in enumerate(roles):
            thick = THICK / len(roles)
            axis.barh(row - THICK / 2 + (i + 0.5) * thick, seconds[role], thick, color=ROLES[role])
        _say(axis, max(*seconds.values(), offline["seconds"]), row, duration(1000 * offline["seconds"]))
    networks = " or ".join(dict.fromkeys(plain(card["network"]["name"]) for card in cards))
    _label(axis, rows, "Offline time", f"{networks}; the number is the slower party's", "seconds, median")


def _blank(axis: Axes, rows: _Rows) -> None:
    axis.set_axis_off()


def _stack(axis: Axes, rows: _Rows, bars: Bars, scale: float, words: Callable[[float], str]) -> None:
    """A bar per row, its parts one behind the other, divided by `scale`, and their sum in words."""
    for at, parts in bars.items():
        end = 0.0
        for colour, length in parts.items():
            axis.barh(rows.of[at], length / scale, THICK, end, color=colour)
            end += length / scale
        _say(axis, end, rows.of[at], words(sum(parts.values())))


def _say(axis: Axes, end: float, row: int, words: str) -> None:
    axis.annotate(words, (end, row), (3, 0), textcoords="offset points", va="center_baseline", fontsize=7)
    axis.set_xlim(0, max(axis.get_xlim()[1], 1.2 * end))


def _label(axis: Axes, rows: _Rows, title: str, about: str, unit: str) -> None:
    axis.set_title(title, loc="left", fontsize=9, fontweight="bold", pad=15)
    below = {"xycoords": "axes fraction", "textcoords": "offset points", "color": SOFT, "fontsize": 7.5}
    axis.annotate(about, (0, 1), (0, 5), **below).set_in_layout(False)
    axis.set_xlabel(unit)
    axis.set_ylim(rows.count - 0.4, -0.6)
    axis.set_yticks(list(rows.names), list(rows.names.values()))
    for row, heading in rows.headings.items():
        axis.text(0, row, f" {heading}", va="center_baseline", fontsize=7.5, fontweight="bold", clip_on=True)
    axis.grid(axis="x", color=FAINT, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.tick_params(length=0)


def _legend(figure: Figure) -> None:
    drawn = {patch.get_facecolor() for axis in figure.axes for patch in axis.patches if patch.get_width()}
    handles = [Patch(facecolor=colour, label=name) for name, colour in LEGEND.items()]
    handles = [handle for handle in handles if handle.get_facecolor() in drawn]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 4 if len(figure.axes) == 4 else 8), frameon=False
    )
