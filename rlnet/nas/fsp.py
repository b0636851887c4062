"""FSP distance: how far an attack moves the flow of features through a network's cells (RobNet, Guo et al. 2020, Sec. 3.5).

It is measured before any fine-tuning; networks in which it is small in the deeper cells are expected to be robust.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from rlnet.attacks import AttackConfig
from rlnet.models import frozen
from rlnet.models.cell import CellNet
from rlnet.nas.judge import Batches, attacked
from rlnet.training.device import Compute


def fsp_matrix(f_in: Tensor, f_out: Tensor) -> Tensor:
    """The flow of solution procedure across a cell (Eq. 3).

        G = sum_st F_in[:, s, t] x F_out[:, s, t] / (h w)

    f_in (B, I, H', W'), f_out (B, O, h, w); returns (B, I, O). The paper does not say how maps of two sizes are matched: here
    the input is pooled to the mean over each place of the output.
    """
    if f_in.shape[2:] != f_out.shape[2:]:
        f_in = F.adaptive_avg_pool2d(f_in, f_out.shape[2:])
    with torch.autocast(f_out.device.type, enabled=False):  # a difference of two sums: bf16 would leave little of it
        return torch.einsum("bist,bost->bio", f_in.float(), f_out.float()) / f_out[0, 0].numel()


def fsp_distance(clean: Tensor, adversarial: Tensor) -> Tensor:
    """L = 1/N sum_x ||G(x) - G(x')||_F^2 (Eq. 4) of the matrices (B, I, O) of clean and attacked images; a scalar."""
    return (clean - adversarial).square().sum(dim=(1, 2)).mean()


@torch.no_grad()
def cell_distances(network: CellNet, x: Tensor, x_adv: Tensor) -> dict[int, float]:
    """The FSP distance of each live cell, by its number, between images and attacked images (B, C, H, W).

    The input of a cell is what the live cell before it puts out, or the stem; the paper does not say which of its two inputs
    is meant. Both images take the adversarial path, else the distance would be one between batch norms.
    """
    with frozen(network, "adversarial"), _outputs(network) as outputs:
        matrices = []
        for images in (x, x_adv):
            outputs.clear()
            network(images)
            matrices.append({k: fsp_matrix(outputs[before], outputs[k]) for before, k in pairwise(outputs)})
    return {k: float(fsp_distance(matrices[0][k], matrices[1][k])) for k in matrices[0]}


@contextmanager
def _outputs(network: CellNet) -> Iterator[dict[int, Tensor]]:
    """Within the context, what the stem (cell -1) and the live cells put out in the last forward pass, in order."""
    outputs: dict[int, Tensor] = {}
    modules = {-1: network.conv1, **{int(name): network.cells[name] for name in network.cells.active}}
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, k=k: outputs.update({k: output}))
        for k, module in modules.items()
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def fsp_of(network: CellNet, batches: Batches, attack: AttackConfig, compute: Compute, seed: int) -> dict[int, float]:
    """The FSP distance of each live cell, in the mean over the images of some batches; x' is PGD's on the cross-entropy."""
    n = sum(len(x) for x, _ in batches)
    distances: dict[int, float] = {}
    for (x, _), x_adv in zip(batches, attacked(network, batches, attack, compute, seed), strict=True):
        with compute.autocast():
            found = cell_distances(network, x, x_adv)
        for k, distance in found.items():
            distances[k] = distances.get(k, 0.0) + distance * len(x) / n
    return distances


def deep_distance(distances: dict[int, float], cells: int) -> float:
    """The mean over the live ones of the last half of the cells, 10 of RobNet's 20 (App. F)."""
    deep = [distance for k, distance in distances.items() if k >= cells // 2]
    return sum(deep) / len(deep)
