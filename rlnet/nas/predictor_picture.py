"""The picture of a predictor: predicted over judged accuracy, of the held-out networks and of the search's finalists."""

from pathlib import Path

from matplotlib.figure import Figure

from rlnet.figures import COLOURS, write_figure
from rlnet.nas.nsga2 import Candidate
from rlnet.nas.predictor import ACCURACIES, Trained
from rlnet.nas.search import Judged


def predictor_figure(trained: Trained, finals: list[tuple[Candidate, Judged]]) -> Figure:
    """Clean accuracy at the left, adversarial accuracy at the right; on the diagonal both are the same."""
    figure = Figure(figsize=(10, 4.8), layout="constrained")
    axes = figure.subplots(1, 2)
    errors = trained.errors()
    for axis, name, judged, predicted in zip(axes, ACCURACIES, trained.judged.T, trained.predicted.T, strict=True):
        axis.scatter(judged, predicted, s=20, alpha=0.7, color=COLOURS[name], label="held-out networks")
        places = [getattr(one, name) for _, one in finals], [getattr(one, name) for one, _ in finals]
        axis.scatter(*places, s=60, marker="*", color="gold", edgecolor="black", linewidth=0.6, label="finalists of the search")
        low, high = min(*axis.get_xlim(), *axis.get_ylim()), max(*axis.get_xlim(), *axis.get_ylim())
        axis.plot([low, high], [low, high], color="gray", linestyle="--", linewidth=1, label="predicted as judged")
        tau = errors["kendall_tau"][name]
        title = f"{name}: RMSE {errors['rmse'][name]:.2%} (of the mean {errors['rmse_of_mean'][name]:.2%})"
        axis.set_title(f"{title}, tau {'-' if tau is None else f'{tau:.2f}'}, n = {errors['networks']}", fontsize=9)
        axis.set(xlabel="judged accuracy", ylabel="predicted accuracy", aspect="equal", xlim=(low, high), ylim=(low, high))
        axis.legend(fontsize=7)
    return figure


def draw(trained: Trained, finals: list[tuple[Candidate, Judged]], path: Path) -> None:
    """Writes predictor.png."""
    figure = predictor_figure(trained, finals)
    write_figure(figure, path)
