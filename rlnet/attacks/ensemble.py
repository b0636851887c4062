"""Robustness under several attacks, each on the images that those before it left (Croce & Hein 2020, arXiv:2003.01690)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rlnet.attacks.attack import Attack, Classifier, ball, is_fooled
from rlnet.attacks.draws import Draws

WRONG = -2
ROBUST = -1
Stage = tuple[str, Attack]


@torch.no_grad()
def robust_under(
    classifier: Classifier,
    x: Tensor,
    labels: Tensor,
    stages: Sequence[Stage],
    eps: float,
    draws: Draws,
    search: Classifier | None = None,
) -> tuple[Tensor, Tensor]:
    """Runs the stages, in order, on the images that the classifier gets right and that no stage before has fooled it on.

    Returns the images that each stage came last with (B, C, H, W), x itself where the classifier is wrong without an attack,
    and the index of the stage that fooled it, int64 (B,): ROBUST (-1) for none, WRONG (-2) where none was needed. The
    classifier's word on the finished images is what counts. A stage's draws depend on its name, and not on the others.

    search: the same classifier computed in another, faster way, which the attacks look at in its place. Images that fool it and
    not the classifier itself are attacked once more, on the classifier itself.
    """
    x_adv = x.clone()
    fooled_by = torch.where(is_fooled(classifier(x), labels), WRONG, ROBUST)
    for index, (name, attack) in enumerate(stages):
        rows = (fooled_by == ROBUST).nonzero().squeeze(1)
        if not len(rows):
            break
        found = attack(search or classifier, x[rows], labels[rows], eps, draws.stream(name, rows))
        fooled = is_fooled(classifier(found), labels[rows])
        again = is_fooled(search(found), labels[rows]) & ~fooled if search else torch.zeros_like(fooled)
        if again.any():
            left = rows[again]
            found[again] = attack(classifier, x[left], labels[left], eps, draws.stream(name, left))
            fooled[again] = is_fooled(classifier(found[again]), labels[left])
        _assert_within(found, x[rows], eps, name)
        x_adv[rows] = found
        fooled_by[rows[fooled]] = index
    return x_adv, fooled_by


def _assert_within(x_adv: Tensor, x: Tensor, eps: float, name: str) -> None:
    low, high = ball(x, eps)
    assert x_adv.shape == x.shape and not x_adv.requires_grad, f"{name} returned images of another shape, or with a graph"
    assert ((x_adv >= low - 1e-6) & (x_adv <= high + 1e-6)).all(), f"{name} left the ball of radius {eps} or [0, 1]"
