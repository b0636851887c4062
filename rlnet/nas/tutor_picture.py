"""The picture of tutors: which of the teacher's layers teaches which unit of the student, beside how robust each layer is."""

from collections import Counter
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rlnet.figures import write_figure

MOST_ROBUST = 5


def tutor_figure(tutors: dict[str, str], scores: dict[str, float], title: str) -> Figure:
    """Above, how many units each layer tutors and its robustness score (RNAS-CL Fig. 7); below, whom it tutors.

    tutors: the layer of each unit. scores: of all layers, both from the input to the output.
    """
    layers, units = list(scores), list(tutors)
    size = (2.4 + 0.3 * len(layers), 4.2 + 0.19 * len(units))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(1, 1, max(1, 0.12 * len(units))))
    count = Counter(tutors.values())
    robust = set(sorted(layers, key=scores.__getitem__)[:MOST_ROBUST])
    colours = ["tab:green" if layer in robust else "tab:gray" for layer in layers]
    places = range(len(layers))
    axes[0].bar(places, [count[layer] for layer in layers], color=colours)
    axes[0].set_ylabel("units tutored")
    axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
    axes[1].bar(places, list(scores.values()), color=colours)
    axes[1].set_ylabel("robustness score\n(low is robust)")
    for y, unit in enumerate(units):
        place = layers.index(tutors[unit])
        axes[2].plot([-0.5, place], [y, y], color="lightgray", linewidth=0.8, zorder=0)
        axes[2].scatter([place], [y], s=28, color=colours[place])
    axes[2].set_yticks(range(len(units)), units, fontsize=7)
    axes[2].set(xlabel="layer of the teacher", ylabel="unit of the student", xlim=(-0.5, len(layers) - 0.5))
    axes[2].invert_yaxis()
    axes[2].set_xticks(places, layers, rotation=90, fontsize=7)
    axes[2].grid(axis="x", linewidth=0.3)
    figure.suptitle(f"{title}\ngreen: the {min(MOST_ROBUST, len(layers))} most robust layers", fontsize=10)
    return figure


def draw_tutors(tutors: dict[str, str], scores: dict[str, float], title: str, path: Path) -> None:
    """Writes tutors.png."""
    figure = tutor_figure(tutors, scores, title)
    write_figure(figure, path)
