"""Pictures of a run: losses, ReLUs kept per site, mask maps, and the batch-norm statistics of both paths."""

import json
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from masks import get_masks
from rlnet.figures import COLOURS, write_figure
from rlnet.models import ModeNetwork
from rlnet.models.batch_norm import ModeBatchNorm2d
from rlnet.trained import load

STAGES = {"teacher": "stage 1: teacher", "masks": "stage 2: mask search", "student": "stage 3: fine-tuning"}


def draw(student_folder: Path) -> list[Path]:
    """Draws losses.png, relus.png, masks.png and batch_norm.png into a student's folder; returns their paths."""
    budget_folder = student_folder.parent
    network = load(student_folder)
    figures = {
        "losses.png": losses([budget_folder.parent / "teacher", budget_folder / "masks", student_folder]),
        "relus.png": relus_by_site(get_masks(network)),
        "masks.png": mask_maps(get_masks(network)),
        "batch_norm.png": batch_norm_statistics(network),
    }
    for name, figure in figures.items():
        write_figure(figure, student_folder / name)
    return [student_folder / name for name in figures]


def losses(folders: list[Path]) -> Figure:
    """Every loss term (above) and the validation accuracies (below) by epoch, one column per stage."""
    stages = [folder for folder in folders if (folder / "metrics.jsonl").exists()]
    figure = Figure(figsize=(4.2 * len(stages), 6), layout="constrained")
    axes = figure.subplots(2, len(stages), squeeze=False)
    for column, folder in enumerate(stages):
        history = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        above, below = axes[:, column]
        terms = [name for name in history[0] if name.partition("_")[0] in ("ce", "kl", "pram")] if history else []
        for name in terms:
            kind, _, view = name.partition("_")
            style = {"ce": "-", "kl": "--", "pram": ":"}[kind]
            above.plot([m["epoch"] for m in history], [m[name] for m in history], style, color=COLOURS[view], label=name)
        above.set(title=STAGES[folder.name], yscale="log", xlabel="epoch", ylabel="unweighted loss")
        for name, colour in (
            ("clean_accuracy", "tab:blue"),
            ("adversarial_accuracy", "tab:red"),
            ("mask_change", "tab:orange"),
        ):
            points = [(m["epoch"], m[name]) for m in history if name in m]
            if points:
                below.plot(*zip(*points, strict=True), ".-", color=colour, label=name.replace("_", " "))
        below.set(ylim=(0, 1.02), xlabel="epoch", ylabel="validation / fraction changed")
        for axis in (above, below):
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            if axis.lines:
                axis.legend(fontsize=7)
    return figure


def relus_by_site(masks: dict[str, Tensor]) -> Figure:
    """How many ReLUs each site keeps, and of how many."""
    totals = [mask.numel() for mask in masks.values()]
    kept = [int(mask.sum()) for mask in masks.values()]
    figure = Figure(figsize=(8, 0.28 * len(masks) + 1.2), layout="constrained")
    axis = figure.subplots()
    places = range(len(masks))
    axis.barh(places, totals, color="lightgray", label="ReLUs of the teacher")
    axis.barh(places, kept, color="tab:blue", label="kept by the student")
    for place, k, n in zip(places, kept, totals, strict=True):
        axis.text(n, place, f" {k:,} of {n:,} ({k / n:.0%})", va="center", fontsize=7)
    axis.set_yticks(places, masks, fontsize=7)
    axis.invert_yaxis()
    axis.margins(x=0.25)
    axis.set(title=f"{sum(kept):,} of {sum(totals):,} ReLUs kept", xlabel="scalar ReLUs per image")
    axis.legend(loc="lower right", fontsize=7)
    return figure


def mask_maps(masks: dict[str, Tensor]) -> Figure:
    """Where each site keeps its ReLUs: the fraction of its channels that keep a place (H, W)."""
    columns = 6
    rows = -(-len(masks) // columns)
    figure = Figure(figsize=(1.8 * columns, 2.0 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    image = None
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (name, mask) in zip(axes.flat, masks.items(), strict=False):
        image = axis.imshow(mask.float().mean(dim=0).numpy(), vmin=0, vmax=1, cmap="viridis")
        axis.set_title(f"{name}\n{mask.float().mean():.1%} kept", fontsize=7)
    if image is not None:
        figure.colorbar(image, ax=axes, shrink=0.6, label="fraction of the channels that keep the ReLU here")
    return figure


def batch_norm_statistics(network: ModeNetwork) -> Figure:
    """Running mean and variance of every channel of the last batch norm, path by path (RLNet Fig. 2)."""
    name, norm = [(n, m) for n, m in network.named_modules() if isinstance(m, ModeBatchNorm2d)][-1]
    figure = Figure(figsize=(5.5, 4.5), layout="constrained")
    axis = figure.subplots()
    with torch.no_grad():
        for path, batch_norm in norm.paths.items():
            mean, variance = batch_norm.running_mean.numpy(), batch_norm.running_var.numpy()
            axis.scatter(mean, variance, s=12, alpha=0.7, color=COLOURS[path], label=path)
    axis.set(xlabel="running mean", ylabel="running variance", yscale="log", title=f"last batch norm ({name})")
    axis.legend(title="path")
    return figure
