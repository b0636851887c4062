"""How long attacks take and what they leave, ours beside those of torchattacks (Kim 2020, arXiv:2010.01950), in one run.

Both attack the same network and the same images, batch by batch in turns, so that whatever else the machine does meets both.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rlnet.accuracy import Hits
from rlnet.attacks import ROBUST, Draws, named, robust_under
from rlnet.evaluation.paths import open_paths
from rlnet.models import ModeNetwork

BATCH = 100


class OneMode(nn.Module):
    """A network as other libraries want one: a module that takes images only."""

    def __init__(self, network: ModeNetwork, mode: str):
        super().__init__()
        self.network, self.mode = network, mode

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x, mode=self.mode)


def their_attack(name: str, model: nn.Module, eps: float, step_fraction: float, classes: int) -> Callable[..., Tensor]:
    """torchattacks' attack of one of our names, with the same settings where it has them. Raises ValueError for other names."""
    try:
        import torchattacks as theirs
    except ImportError as error:
        raise ValueError("torchattacks is not installed; install it (pip install torchattacks) to compare with it") from error
    kind, _, steps = name.partition("-") if re.fullmatch(r"pgd-\d+", name) else (name, "", "100")
    make: dict[str, Callable[[], Any]] = {
        "fgsm": lambda: theirs.FGSM(model, eps=eps),
        "pgd": lambda: theirs.PGD(model, eps=eps, alpha=step_fraction * eps, steps=int(steps)),
        "mi-fgsm": lambda: theirs.MIFGSM(model, eps=eps, alpha=eps / 10, steps=10),
        "apgd-ce": lambda: theirs.APGD(model, eps=eps, steps=100),
        "apgd-dlr": lambda: theirs.APGD(model, eps=eps, steps=100, loss="dlr"),
        "apgd-t": lambda: theirs.APGDT(model, eps=eps, steps=100, n_classes=classes),
        "fab-t": lambda: theirs.FAB(model, eps=eps, steps=100, multi_targeted=True, n_classes=classes),
        "square": lambda: theirs.Square(model, eps=eps, n_queries=5000),
        "autoattack": lambda: theirs.AutoAttack(model, eps=eps, n_classes=classes, seed=0),
    }
    if kind not in make:
        raise ValueError(
            f"{name!r} cannot be compared with torchattacks; use pgd-N, {', '.join(k for k in make if k != 'pgd')}"
        )
    return make[kind]()


def time_attack(
    name: str,
    network: ModeNetwork,
    mode: str,
    x: Tensor,
    labels: Tensor,
    eps: float,
    step_fraction: float,
    seed: int,
    advance: Callable[[], None],
) -> dict[str, Any]:
    """Times an attack on images x (N, C, H, W), ours and theirs; returns part of a card.

    Milliseconds per image of each batch and their ratio; the robust accuracies, each the classifier's word on the finished
    images; and on how many images the two differ. advance is called after each of the 2 ceil(N / 100) batches.
    """
    device = x.device
    classes = network(x[:1], mode=mode).shape[1]
    found: dict[str, list[float]] = {"ours": [], "reference": []}
    robust: dict[str, list[Tensor]] = {"ours": [], "reference": []}
    theirs = their_attack(name, OneMode(network, mode).eval(), eps, step_fraction, classes)
    stages = named(name, step_fraction)
    with open_paths(network, (mode,)) as paths:

        def ours(images: Tensor, truth: Tensor, start: int) -> Tensor:
            draws = Draws(seed + start, len(images), device)
            return robust_under(paths.by_path[mode], images, truth, stages, eps, draws)[1] == ROBUST

        def reference(images: Tensor, truth: Tensor, start: int) -> Tensor:
            torch.manual_seed(seed + start)
            adversarial = theirs(images, truth)
            with torch.no_grad():
                right = [network(batch, mode=mode).argmax(dim=1) == truth for batch in (adversarial, images)]
            return right[0] & right[1]

        calls = [("ours", ours), ("reference", reference)]
        for number, start in enumerate(range(0, len(x), BATCH)):
            images = x[start : start + BATCH].contiguous(memory_format=torch.channels_last)
            truth = labels[start : start + BATCH]
            for side, call in calls if number % 2 else reversed(calls):
                began = time.perf_counter()
                robust[side].append(call(images, truth, start).cpu())  # .cpu() waits for the device
                found[side].append((time.perf_counter() - began) * 1e3 / len(images))
                advance()
    right = {side: torch.cat(parts) for side, parts in robust.items()}
    accuracies = {side: Hits(int(values.sum()), len(values)) for side, values in right.items()}
    return {
        "images": len(x),
        "ms_per_image": {**found, "ratio": [b / a for a, b in zip(*found.values(), strict=True)]},
        "total_ratio": sum(found["reference"]) / sum(found["ours"]),
        "robust_accuracy": {side: value.accuracy for side, value in accuracies.items()},
        "ci95": {side: value.ci95 for side, value in accuracies.items()},
        "only_ours_robust": int((right["ours"] & ~right["reference"]).sum()),
        "only_reference_robust": int((right["reference"] & ~right["ours"]).sum()),
    }
