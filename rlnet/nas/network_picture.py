"""The picture of a network that was found: its blocks from left to right, and the ReLUs of every site above them."""

from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from masks import Shape
from rlnet.models.specifications.specification import Specification
from rlnet.nas.cost import Cost
from rlnet.nas.outline import Part, parts

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")  # of the resolutions, one by one
INCHES_PER_SITE, LEAST_INCHES = 0.26, 7.0
ROOM = 2.2  # for the words above the highest box


@dataclass(frozen=True)
class Drawn:
    """A part and its ReLU sites, at the places first ... last - 1 from the left; a part without sites takes a place too."""

    part: Part
    sites: tuple[tuple[str, Shape], ...]
    first: int

    @property
    def last(self) -> int:
        return self.first + max(1, len(self.sites))


def network_figure(spec: Specification, cost: Cost, title: str) -> Figure:
    """Above, ReLUs per site; below, a box for each block, as high as its output has channels, with what it is inside."""
    drawn = _placed(parts(spec), cost)
    width = max(LEAST_INCHES, INCHES_PER_SITE * drawn[-1].last + 1.2)
    figure = Figure(figsize=(width, 6.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1))
    sizes = list(dict.fromkeys(shape[1:] for one in drawn for _, shape in one.sites))
    colours = {size: COLOURS[i % len(COLOURS)] for i, size in enumerate(sizes)}
    _draw_sites(above, drawn, colours)
    _draw_parts(below, drawn, colours)
    for before, after in pairwise(one for one in drawn if one.sites):
        for axis in (above, below):
            if before.sites[-1][1][1:] != after.sites[-1][1][1:]:
                axis.axvline(after.first, color="black", linestyle=":", linewidth=1)
    figure.suptitle(title, fontsize=11)
    return figure


def _placed(found: list[Part], cost: Cost) -> list[Drawn]:
    """Each part with the sites whose names it claims, in forward order."""
    drawn: list[Drawn] = []
    for part in found:
        sites = tuple((name, shape) for name, shape in cost.sites if part.holds(name))
        drawn.append(Drawn(part, sites, drawn[-1].last if drawn else 0))
    placed = [name for one in drawn for name, _ in one.sites]
    assert sorted(placed) == sorted(name for name, _ in cost.sites), "each site belongs to one part"
    return drawn


def _draw_sites(axis: Axes, drawn: list[Drawn], colours: dict[tuple[int, ...], str]) -> None:
    labelled: set[tuple[int, ...]] = set()
    for one in drawn:
        for place, (_, (c, h, w)) in enumerate(one.sites, one.first):
            label = None if (h, w) in labelled else f"{h}x{w}" if h > 1 else "after the mean"
            axis.bar(place + 0.5, c * h * w, 0.8, color=colours[h, w], label=label)
            labelled.add((h, w))
    axis.set(ylabel="scalar ReLUs per site", xlim=(0, drawn[-1].last))
    axis.yaxis.set_major_formatter(lambda n, _: f"{n / 1000:g}k" if n >= 1000 else f"{n:g}")
    axis.legend(title="map", fontsize=8, title_fontsize=8, ncols=len(labelled))
    axis.margins(y=0.12)


def _draw_parts(axis: Axes, drawn: list[Drawn], colours: dict[tuple[int, ...], str]) -> None:
    for one in drawn:
        colour = colours[one.sites[-1][1][1:]] if one.sites else "lightgray"
        middle, room = (one.first + one.last) / 2, one.last - one.first
        axis.bar(middle, one.part.channels, room - 0.16, color=colour, alpha=0.35, edgecolor=colour)
        axis.annotate(
            one.part.text, (middle, one.part.channels), (0, 3), textcoords="offset points", rotation=90, ha="center", fontsize=7
        )
    axis.set(ylabel="output channels", xlabel="blocks, from the image to the classes")
    axis.set_xticks([(one.first + one.last) / 2 for one in drawn], [one.part.name for one in drawn], rotation=90, fontsize=7)
    axis.set_ylim(0, ROOM * max(one.part.channels for one in drawn))
