"""The pictures of RobNet's search: FSP distances beside accuracies (its Fig. 7), robust and other cells (its Fig. 4)."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rlnet.figures import COLOURS
from rlnet.models.specifications.cell_wiring import DIRECT, EDGES, STATES, WIRES
from rlnet.nas.analysis import OPERATIONS, Analysis
from rlnet.nas.sample import Sample


def fsp_figure(sample: Sample) -> Figure:
    """Over the FSP distance: at the left the gap of clean and adversarial accuracy, at the right adversarial accuracy."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True)
    distances = [one.distance for one in sample.candidates]
    before = [one.before["adversarial_accuracy"] for one in sample.candidates]
    left.scatter(distances, [one.gap for one in sample.candidates], s=18, alpha=0.7, color="tab:gray")
    rho, p = sample.gap_correlation
    left.set(ylabel="clean minus adversarial accuracy", title=f"not fine-tuned: rank correlation {rho:.2f} (p = {p:.2g})")
    right.scatter(distances, before, s=18, color="tab:gray", alpha=0.7, label="not fine-tuned")
    kept = [(one.distance, one.after["adversarial_accuracy"]) for one in sample.candidates if one.after is not None]
    right.scatter(*zip(*kept, strict=True), s=22, color=COLOURS["adversarial"], label="fine-tuned")
    right.set(ylabel="adversarial accuracy, held-out images")
    for axis in (left, right):
        axis.axvline(sample.threshold, color="gray", linestyle="--", label=f"threshold: {sample.threshold:.3g}")
        axis.set(xlabel="FSP distance, mean over the last half of the cells")
        axis.legend(fontsize=7)
    figure.suptitle(f"{len(kept)} of {len(distances)} networks are at or below the threshold")
    return figure


def analysis_figure(analysis: Analysis, places: NDArray, accuracies: NDArray) -> Figure:
    """At the left the t-SNE places (n, 2) of the networks, at the right the classifier's weight of each operation and edge."""
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    middle = np.setdiff1d(np.arange(analysis.n), np.concatenate([analysis.good, analysis.bad]))
    limits = {"vmin": accuracies.min(), "vmax": accuracies.max(), "cmap": "viridis"}
    for name, marker, part in (("top", "^", analysis.good), ("bottom", "v", analysis.bad), ("between", ".", middle)):
        label = f"{name}: {len(part)}"
        points = left.scatter(
            *places[part].T, c=accuracies[part], marker=marker, s=40, edgecolor="black", lw=0.4, label=label, **limits
        )
    figure.colorbar(points, ax=left, label="adversarial accuracy, held-out images")
    left.set(title=f"t-SNE of the bits of {analysis.n} networks", xticks=[], yticks=[])
    left.legend(fontsize=7)
    for i, (operation, colour) in enumerate(zip(OPERATIONS, ("tab:orange", "tab:blue"), strict=True)):
        right.bar(np.arange(EDGES) + 0.4 * (i - 0.5), analysis.weights[i], 0.4, color=colour, label=operation)
    right.axhline(0, color="black", lw=0.8)
    right.set_xticks(range(EDGES), [f"{STATES[source]}\n{STATES[node + 2]}" for source, node in WIRES], fontsize=8)
    for edge in DIRECT:
        right.get_xticklabels()[edge].set_fontweight("bold")
    mean, std, folds = np.mean(analysis.validated), np.std(analysis.validated), len(analysis.validated)
    title = (
        f"linear classifier, top {len(analysis.good)} against bottom {len(analysis.bad)}: {analysis.trained:.0%} in training,\n"
        f"{mean:.0%} ± {std:.0%} cross-validated ({folds} folds)"
    )
    right.set(
        title=title,
        xlabel="edge: from the upper state to the lower node; direct ones bold",
        ylabel="weight, positive for robust",
    )
    right.title.set_fontsize(10)
    right.legend(fontsize=7)
    return figure
