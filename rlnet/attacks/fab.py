"""Targeted Fast Adaptive Boundary attack: walks along a decision boundary, close to x (Croce & Hein 2020, arXiv:1907.02044)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlnet.attacks.attack import Classifier
from rlnet.attacks.draws import Draws
from rlnet.attacks.hyperplane import to_hyperplane
from rlnet.attacks.losses import lead
from rlnet.attacks.objective import Found, Objective, loss_and_gradient, targeted


@dataclass(frozen=True)
class TargetedFAB:
    r"""FAB for one of the most likely wrong classes t after the other (Alg. 1 with the targeted hyperplane of Sec. 3.5).

        x_{i+1} = clip((1 - a) (x_i + eta d_i) + a (x + eta d)),   a = min(|d_i| / (|d_i| + |d|), alpha_max)

    d_i, d: from x_i and from x to where the linearization of z_t - z_y at x_i is 0. Where x_{i+1} fools, x_{i+1} becomes
    x + beta (x_{i+1} - x). All norms are L-infinity. FAB finds images as near as it can; here an image is done as soon as one
    within eps is found, and x itself is the result where none is. There is no random start, so nothing is drawn, and no
    final search: the authors' AutoAttack has none.

    Args:
        targets: how many wrong classes; K - 1 if there are fewer.
        steps: number of steps for each.
        alpha_max: bias towards x.
        eta: how far to go over the hyperplane.
        beta: how far to stay away from x after a step that fools.
    """

    targets: int = 9
    steps: int = 100
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9

    @property
    def passes(self) -> int:
        return 3 * self.steps * self.targets

    @torch.no_grad()
    def __call__(self, classifier: Classifier, x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        found = Found(x)
        for objective in targeted(classifier, labels, self.targets, lead, x):
            self._walk(objective, x, eps, found)
        return found.x_adv

    def _walk(self, objective: Objective, x: Tensor, eps: float, found: Found) -> None:
        """objective: the lead z_t - z_y, and whether the image is misclassified, as t or otherwise."""
        x = x[found.rows]
        x_adv = x
        for _ in range(self.steps):
            if not len(found.rows):
                break
            value, _, w = loss_and_gradient(objective, x_adv, found.rows)
            x_adv = self._step(x, x_adv, value, w)
            _, fooled = objective(x_adv, found.rows)
            near = fooled & ((x_adv - x).abs().amax(dim=(1, 2, 3)) <= eps)
            back = torch.where(fooled[:, None, None, None], torch.lerp(x, x_adv, self.beta), x_adv)
            x, x_adv = found.drop(x_adv, near, x, back)

    def _step(self, x: Tensor, x_i: Tensor, value: Tensor, w: Tensor) -> Tensor:
        """x_{i+1}, from the lead's value (B',) and gradient w (B', C, H, W) at x_i."""
        from_x = value + (w * (x - x_i)).sum(dim=(1, 2, 3))
        d_i = to_hyperplane(torch.cat([x_i, x]), torch.cat([w, w]), torch.cat([value, from_x]))
        d_i, d = d_i.chunk(2)
        length_i, length = (v.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_(min=1e-8) for v in (d_i, d))
        alpha = (length_i / (length_i + length)).clamp_(max=self.alpha_max)
        return torch.lerp(x_i.add(d_i, alpha=self.eta), x.add(d, alpha=self.eta), alpha).clamp_(0, 1)
