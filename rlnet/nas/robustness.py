"""How much an attack moves what each layer of a teacher computes (RNAS-CL, Nath et al. 2024, Sec. 5.1, Fig. 7)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from rlnet.accuracy import BATCH
from rlnet.attacks import AttackConfig, pgd_linf
from rlnet.data import ImageSet
from rlnet.data.batches import evaluation_batches
from rlnet.nas.guidance import Teacher
from rlnet.nas.watched_layers import watched
from rlnet.seeds import seed_of
from rlnet.training.device import Compute


def relative_change(clean: Tensor, attacked: Tensor) -> Tensor:
    """|CO - AO| / |CO| (Sec. 5.1) of outputs (B, C, H, W), by image (B,). The norm, which the paper leaves unsaid, is l2."""
    change = (clean - attacked).float().flatten(1).norm(dim=1)
    return change / clean.float().flatten(1).norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)


@torch.no_grad()
def robustness_scores(
    teacher: Teacher, images: ImageSet, attack: AttackConfig, compute: Compute, seed: int
) -> dict[str, float]:
    """The robustness score of each layer, the mean over the images of its relative change; the lower, the more robust.

    x' is PGD's on the cross-entropy. teacher: frozen by the caller.
    """
    totals = dict.fromkeys(teacher.layers, 0.0)
    with compute.autocast(), watched(teacher.layers, Tensor.clone) as found:
        for x, labels, index in evaluation_batches(images, BATCH):
            noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed_of(seed, int(index[0]))))
            x, noise, labels = (values.to(compute.device) for values in (x, noise, labels))
            x_adv = pgd_linf(lambda z, y=labels: F.cross_entropy(teacher.network(z).float(), y), x, attack, noise)
            teacher.network(x)
            clean = dict(found)
            teacher.network(x_adv)
            for name in totals:
                totals[name] += float(relative_change(clean[name], found[name]).sum())
    return {name: total / len(images) for name, total in totals.items()}
