"""Auto-PGD, which sets its own step size (Croce & Hein 2020, arXiv:2003.01690, Alg. 1), untargeted and targeted."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rlnet.attacks.attack import Classifier, Loss, ball
from rlnet.attacks.draws import Draws
from rlnet.attacks.losses import cross_entropy, dlr_targeted
from rlnet.attacks.objective import Found, Objective, loss_and_gradient, misclassification, targeted

MOMENTUM = 0.75  # alpha, the weight of the new step
RISES = 0.75  # rho, the fraction of steps that should raise the loss


@dataclass(frozen=True)
class AutoPGD:
    """Auto-PGD on one loss.

    Args:
        loss: what to raise; `cross_entropy` (APGD-CE) or `dlr` (APGD-DLR).
        steps: number of steps N.
    """

    loss: Loss = cross_entropy
    steps: int = 100

    @property
    def passes(self) -> int:
        return 2 * (self.steps + 1)

    def __call__(self, classifier: Classifier, x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        found = Found(x)
        auto_pgd(misclassification(classifier, labels, self.loss), x, eps, self.steps, draws, found)
        return found.x_adv


@dataclass(frozen=True)
class TargetedAutoPGD:
    """APGD-T: Auto-PGD on the targeted DLR loss, for one of the most likely wrong classes after the other.

    Args:
        targets: how many of them; K - 1 if there are fewer.
        steps: number of steps N for each.
    """

    targets: int = 9
    steps: int = 100

    @property
    def passes(self) -> int:
        return 2 * (self.steps + 1) * self.targets

    @torch.no_grad()
    def __call__(self, classifier: Classifier, x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        found = Found(x)
        for objective in targeted(classifier, labels, self.targets, dlr_targeted, x):
            auto_pgd(objective, x, eps, self.steps, draws, found)
        return found.x_adv


def checkpoints(steps: int) -> list[int]:
    r"""After which steps the step size is looked at (Croce & Hein 2020, Sec. 3.1).

    w_j = ceil(p_j N),   p_0 = 0,   p_1 = 0.22,   p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06)
    """
    percent, period, found = 22, 22, []
    while percent < 100:
        found.append(-(-percent * steps // 100))
        period = max(period - 3, 6)
        percent += period
    return list(dict.fromkeys(found))


class State(NamedTuple):
    """Where the images still sought are: (B', C, H, W), step (B', 1, 1, 1), the rest (B',)."""

    low: Tensor
    high: Tensor
    x: Tensor
    previous: Tensor
    gradient: Tensor
    loss: Tensor
    best: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    step: Tensor
    rises: Tensor  # how many steps raised the loss since the last checkpoint
    halved: Tensor  # whether the step size was halved there
    checked_loss: Tensor  # the best loss there


@torch.no_grad()
def auto_pgd(objective: Objective, x: Tensor, eps: float, steps: int, draws: Draws, found: Found) -> None:
    r"""One run of Auto-PGD for the images that `found` still seeks (Croce & Hein 2020, Alg. 1).

        z = P(x_k + eta sign(grad_k)),   x_{k+1} = P(x_k + alpha (z - x_k) + (1 - alpha) (x_k - x_{k-1}))

    from x + eps u / max|u|, u ~ U(-1, 1), with eta = 2 eps and alpha = 0.75 (1 in the first step). P: onto the ball and [0, 1].
    Leaves the image of the highest loss where none fools. As in the authors' code, a restart from the best image doesn't
    count in the loss that the next step is compared with, and rho (w_j - w_{j-1}) rises are still too few.
    """
    if not len(found.rows):
        return
    state = _start(objective, x[found.rows], eps, draws, found)
    checked, looks = 0, checkpoints(steps)
    for k in range(1, steps + 1):
        if not len(found.rows):
            return
        state = _step(objective, state, 1.0 if k == 1 else MOMENTUM, found)
        if k in looks:
            state = at_checkpoint(state, k - checked)
            checked = k
    found.leave(state.best)


def _start(objective: Objective, x: Tensor, eps: float, draws: Draws, found: Found) -> State:
    low, high = ball(x, eps)
    u = 2 * draws.uniform(found.rows, *x.shape[1:]) - 1
    start = x.add(u / u.abs().amax(dim=(1, 2, 3), keepdim=True), alpha=eps).clamp_(low, high)
    loss, fooled, gradient = loss_and_gradient(objective, start, found.rows)
    state = State(
        low=low,
        high=high,
        x=start,
        previous=start,
        gradient=gradient,
        loss=loss,
        best=start,
        best_gradient=gradient,
        best_loss=loss,
        step=torch.full_like(x[:, :1, :1, :1], 2 * eps),
        rises=torch.zeros_like(found.rows),
        halved=torch.ones_like(fooled),
        checked_loss=loss,
    )
    return State(*found.drop(start, fooled, *state))


def _step(objective: Objective, s: State, alpha: float, found: Found) -> State:
    """Alg. 1, lines 6 to 10."""
    z = torch.addcmul(s.x, s.step, s.gradient.sign()).clamp_(s.low, s.high)
    x = torch.lerp(s.x, z, alpha).add_(s.x - s.previous, alpha=1 - alpha).clamp_(s.low, s.high)
    loss, fooled, gradient = loss_and_gradient(objective, x, found.rows)
    better = loss > s.best_loss
    s = s._replace(
        x=x,
        previous=s.x,
        gradient=gradient,
        loss=loss,
        best=_choose(better, x, s.best),
        best_gradient=_choose(better, gradient, s.best_gradient),
        best_loss=torch.where(better, loss, s.best_loss),
        rises=s.rises + (loss > s.loss),
    )
    return State(*found.drop(x, fooled, *s))


def at_checkpoint(s: State, steps: int) -> State:
    """Alg. 1, lines 11 to 15, `steps` after the last look.

    Halves eta and goes back to the best image where 1. too few steps raised the loss, or 2. eta was not halved at the last
    checkpoint and the best loss has not risen since.
    """
    halve = (s.rises <= RISES * steps) | (~s.halved & (s.best_loss <= s.checked_loss))
    return s._replace(
        x=_choose(halve, s.best, s.x),
        gradient=_choose(halve, s.best_gradient, s.gradient),
        step=_choose(halve, s.step / 2, s.step),
        rises=torch.zeros_like(s.rises),
        halved=halve,
        checked_loss=s.best_loss,
    )


def _choose(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """By image: condition (B',), yes and no (B', C, H, W)."""
    return torch.where(condition[:, None, None, None], yes, no)
