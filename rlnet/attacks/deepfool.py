"""DeepFool: steps to the nearest of the linearized decision boundaries (Moosavi-Dezfooli et al. 2016, arXiv:1511.04599)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rlnet.attacks.attack import Classifier, ball, input_gradient, is_fooled
from rlnet.attacks.draws import Draws
from rlnet.attacks.hyperplane import to_hyperplane
from rlnet.attacks.losses import likeliest_wrong
from rlnet.attacks.objective import Found


@dataclass(frozen=True)
class DeepFool:
    """DeepFool as an attack within a ball: its image, drawn back onto the ball where it is farther from x than eps.

    Args:
        norm: which distance it keeps small, L-infinity or L2.
        steps: greatest number of steps.
        overshoot: how far beyond the boundaries to go, as a fraction of the distance.
        classes: how many classes it looks at, the most likely ones at x; the paper's code has 10.
    """

    norm: Literal["inf", "2"] = "inf"
    steps: int = 50
    overshoot: float = 0.02
    classes: int = 10

    @property
    def passes(self) -> int:
        return self.steps * self.classes

    def __call__(self, classifier: Classifier, x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        return self.nearest(classifier, x, labels).clamp_(*ball(x, eps))

    @torch.no_grad()
    def nearest(self, classifier: Classifier, x: Tensor, labels: Tensor) -> Tensor:
        r"""An image close to x (B, C, H, W) that is misclassified, at whatever distance (Moosavi-Dezfooli et al. 2016, Alg. 2).

            x_{i+1} = clip(x_i + (1 + overshoot) r_i),   r_i: the way from x_i to z_k = z_y, linearized, for the nearest k

        With f_k = z_k - z_y and w_k its gradient at x_i, the nearest k has the least |f_k| / |w_k|_q, 1/p + 1/q = 1, and
        r_i = |f_k| / |w_k|_2^2 w_k for p = 2. The paper knows no [0, 1]: clipped, that way may end short of the boundary
        forever where many pixels are black or white, so for p = inf it is the shortest one that stays in [0, 1], which is the
        paper's |f_k| / |w_k|_1 sign(w_k) where no pixel runs out of room. Returns the last x_i where none is misclassified.
        """
        found = Found(x)
        others = likeliest_wrong(classifier(x), labels, self.classes - 1)
        x_i = x
        for _ in range(self.steps):
            if not len(found.rows):
                break
            f, w, fooled = _leads(classifier, x_i, labels[found.rows], others[found.rows])
            x_i, f, w = found.drop(x_i, fooled, x_i, f, w)
            x_i = x_i.add(self._shortest(x_i, f, w), alpha=1 + self.overshoot).clamp_(0, 1)
        found.leave(x_i)
        return found.x_adv

    def _shortest(self, x: Tensor, f: Tensor, w: Tensor) -> Tensor:
        """The shortest (B, C, H, W) of the ways from x to the hyperplanes f + <w, r> = 0; f: (B, K'), w: (B, K', C, H, W)."""
        flat = w.flatten(2)
        dual = (flat.abs().sum(dim=2) if self.norm == "inf" else flat.norm(dim=2)).clamp_(min=1e-12)
        distance, k = (f.abs() / dual).min(dim=1)
        image = torch.arange(len(f), device=f.device)
        if self.norm == "inf":
            return to_hyperplane(x, w[image, k], f[image, k])
        return (distance / dual[image, k]).view(-1, 1, 1, 1) * w[image, k]


def _leads(classifier: Classifier, x: Tensor, labels: Tensor, others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """f_k = z_k - z_y (B, K') for the classes `others` (B, K'), their gradients for x (B, K', C, H, W), and whether x fools."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        logits = classifier(x)
        f = logits.gather(1, others) - logits.gather(1, labels[:, None])
        gradients = [input_gradient(lead, x, retain_graph=True) for lead in f.unbind(dim=1)]
    return f.detach(), torch.stack(gradients, dim=1), is_fooled(logits, labels)
