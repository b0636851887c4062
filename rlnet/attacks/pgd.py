"""Projected gradient descent in training (Madry et al. 2018, arXiv:1706.06083, Sec. 2.1)."""

from collections.abc import Callable

import torch
from torch import Tensor

from rlnet.attacks.attack import ball
from rlnet.attacks.config import AttackConfig


def pgd_linf(loss: Callable[[Tensor], Tensor], x: Tensor, attack: AttackConfig, noise: Tensor) -> Tensor:
    r"""Images near x that maximise a loss (Madry et al. 2018, Sec. 2.1).

        x_0 = P(x + eps (2 u - 1)),   x_{t+1} = P(x_t + a sign(grad loss(x_t))),   P: onto [x - eps, x + eps] and [0, 1]

    loss: images -> scalar. Only the gradient for the images is computed; call it within `rlnet.models.frozen`, so that the
    network's parameters ask for none and its statistics stay. x: (B, C, H, W) in [0, 1]. noise: u ~ U(0, 1) of the same
    shape. Returns detached images of the same shape.
    """
    low, high = ball(x, attack.eps)
    x_adv = torch.lerp(x - attack.eps, x + attack.eps, noise).clamp_(low, high)
    for _ in range(attack.steps):
        x_adv.requires_grad_(True)
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(loss(x_adv), x_adv)
        x_adv = x_adv.detach().add_(gradient.sign(), alpha=float(attack.step_size)).clamp_(low, high)
    return x_adv
