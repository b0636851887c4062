"""The picture of a search: accuracy over ReLUs of all that was judged, the Pareto front, the limit and the network found."""

from matplotlib.figure import Figure

from rlnet.figures import COLOURS
from rlnet.nas.search import Judged, front


def search_figure(judged: list[Judged], limit: int | None, title: str) -> Figure:
    """Clean accuracy at the left, adversarial accuracy at the right. judged: the found network first."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True)
    found, relus = judged[0], [one.cost.relus for one in judged]
    for axis, name in zip(axes, ("clean", "adversarial"), strict=True):
        axis.scatter(relus, [getattr(one, name) for one in judged], s=16, alpha=0.6, color=COLOURS[name], label="judged")
        best = front(judged, lambda one, name=name: getattr(one, name))
        places = [one.cost.relus for one in best], [getattr(one, name) for one in best]
        axis.plot(*places, drawstyle="steps-post", color="black", linewidth=1, label="Pareto front")
        axis.scatter(
            [found.cost.relus], [getattr(found, name)], s=160, marker="*", color="gold", edgecolor="black", label="found"
        )
        if limit is not None:
            axis.axvline(limit, color="gray", linestyle="--", label=f"limit: {limit:,}")
        axis.set(xlabel="scalar ReLUs per image", ylabel=f"{name} accuracy, held-out images")
        axis.legend(fontsize=7)
    figure.suptitle(title)
    return figure
