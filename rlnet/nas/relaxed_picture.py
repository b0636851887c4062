"""The picture of a relaxed search: accuracy and certainty, what is expected to be paid, and how likely each width became."""

from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from rlnet.figures import COLOURS
from rlnet.nas.space import Genes


def relaxed_figure(
    history: list[dict[str, Any]],
    limits: dict[str, int],
    widths: list[Tensor],
    outs: list[tuple[int, ...]],
    found: Genes,
    title: str,
) -> Figure:
    """history: of the search, epoch by epoch. limits: by what they limit. widths: logits (n_l,) of each block. outs: the
    channels that these stand for. found: the choice of each block, after the limits were seen to.
    """
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    epochs = [metrics["epoch"] for metrics in history]
    validated = [metrics for metrics in history if "clean_accuracy" in metrics]
    left.plot(
        [m["epoch"] for m in validated],
        [m["clean_accuracy"] for m in validated],
        ".-",
        color=COLOURS["clean"],
        label="clean accuracy, held-out images,\nof the likeliest network",
    )
    for what, colour in (("width", "tab:purple"), ("tutor", "tab:orange")):
        if (name := f"{what}_certainty") in history[0]:
            left.plot(
                epochs,
                [m[name] for m in history],
                color=colour,
                label=f"mean probability of the likeliest {name.split('_')[0]}",
            )
    left.set(xlabel="epoch", ylim=(0, 1.02))
    for name, limit in (limits or {"macs": history[0]["expected_macs"]}).items():
        shares = [m[f"expected_{name}"] / limit for m in history]
        middle.plot(epochs, shares, label=f"{name}, of {limit:,}" + ("" if limits else " at first"))
    middle.axhline(1, color="gray", linestyle="--", label="limit" if limits else None)
    middle.set(xlabel="epoch", ylabel="expected cost, relative to its limit" if limits else "expected cost")
    for axis in (left, middle):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(fontsize=7)
    table = torch.full((max(map(len, outs)), len(outs)), float("nan"))
    for block, logits in enumerate(widths):
        table[: len(logits), block] = logits.softmax(0)
    image = right.imshow(table.numpy(), vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for block, channels in enumerate(outs):
        for choice, width in enumerate(channels):
            is_found = choice == found[block]
            colour = "white" if table[choice, block] > 0.6 else "black"
            right.text(block, choice, width, ha="center", va="center", fontsize=8, color=colour)
            if is_found:
                right.add_patch(Rectangle((block - 0.5, choice - 0.5), 1, 1, fill=False, edgecolor="gold", linewidth=2))
    right.set(xlabel="block", title="channels of each block; found ones framed")
    right.set_yticks([])
    figure.colorbar(image, ax=right, label="probability")
    figure.suptitle(title)
    return figure
