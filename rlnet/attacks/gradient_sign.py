"""Ascent along the gradient's sign: FGSM, PGD, MI-FGSM and CW-infinity are settings of one attack."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlnet.attacks.attack import Classifier, Loss, ball
from rlnet.attacks.draws import Draws
from rlnet.attacks.losses import cross_entropy
from rlnet.attacks.objective import Found, Objective, loss_and_gradient, misclassification


@dataclass(frozen=True)
class GradientSign:
    r"""Steps along the sign of the accumulated gradient, each back onto the ball.

        g_{t+1} = mu g_t + grad_t / mean|grad_t|,   x_{t+1} = P(x_t + a eps sign(g_{t+1}))

    with P onto [x - eps, x + eps] and [0, 1]. FGSM (Goodfellow et al. 2015, arXiv:1412.6572, Sec. 4): one step, a = 1, no
    random start. PGD (Madry et al. 2018, arXiv:1706.06083, Sec. 2.1): mu = 0, from a uniformly random start. MI-FGSM (Dong et
    al. 2018, arXiv:1710.06081, Alg. 1): mu = 1, a = 1 / steps, no random start; its L1 norm differs from the mean by a factor
    that the sign doesn't see. CW-infinity: PGD on the margin.

    Each forward pass also tells which images fool already; those are found, and left out of the passes that follow.

    Args:
        steps: number of steps.
        step_fraction: length a of a step, in units of eps.
        restarts: how often to start again on the images that are left.
        random_start: whether to start anywhere in the ball, or at x.
        momentum: mu.
        loss: what to raise.
        stop_early: whether to stop at the first image that fools. If not, every image takes every step and the last iterate of
            the last restart is the result, as images that are made to be tried on another network should be.
    """

    steps: int
    step_fraction: float = 0.25
    restarts: int = 1
    random_start: bool = True
    momentum: float = 0.0
    loss: Loss = cross_entropy
    stop_early: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.restarts < 1 or not self.step_fraction > 0:
            raise ValueError(
                "an attack along the gradient's sign needs steps >= 1, restarts >= 1 and a positive step_fraction; "
                f"not {self.steps}, {self.restarts} and {self.step_fraction}"
            )

    @property
    def passes(self) -> int:
        return 2 * self.steps * self.restarts

    def __call__(self, classifier: Classifier, x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        return self.ascend(misclassification(classifier, labels, self.loss), x, eps, draws)

    @torch.no_grad()
    def ascend(self, objective: Objective, x: Tensor, eps: float, draws: Draws) -> Tensor:
        """The attack on any objective. Returns the images (B, C, H, W) that fool, or the last iterate where none did."""
        found = Found(x)
        for restart in range(self.restarts):
            x_adv = self._climb(objective, x[found.rows], eps, draws, found)
            if self.stop_early and restart + 1 < self.restarts:  # the last iterate is the result whether it fools or not
                _, fooled = objective(x_adv, found.rows)
                (x_adv,) = found.drop(x_adv, fooled, x_adv)
            found.leave(x_adv)
        return found.x_adv

    def _climb(self, objective: Objective, x: Tensor, eps: float, draws: Draws, found: Found) -> Tensor:
        """The last iterates for those images of x (B', C, H, W) that none of their iterates fooled on."""
        low, high = ball(x, eps)
        x_adv = x
        if self.random_start:
            x_adv = torch.lerp(x - eps, x + eps, draws.uniform(found.rows, *x.shape[1:])).clamp_(low, high)
        velocity = torch.zeros_like(x)
        for _ in range(self.steps):
            if not len(found.rows):
                break
            _, fooled, gradient = loss_and_gradient(objective, x_adv, found.rows)
            if self.stop_early:
                x_adv, low, high, velocity, gradient = found.drop(x_adv, fooled, x_adv, low, high, velocity, gradient)
            if self.momentum:
                scale = gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_(min=torch.finfo(gradient.dtype).tiny)
                gradient = velocity = (gradient / scale).add_(velocity, alpha=self.momentum)
            x_adv = x_adv.add(gradient.sign(), alpha=self.step_fraction * eps).clamp_(low, high)
        return x_adv
