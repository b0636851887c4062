"""Projected gradient descent in training (Madry et al. 2018, arXiv:1706.06083, Sec. 2.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import torch
from jsonargparse.typing import register_type
from torch import Tensor

from rlnet.attacks.attack import ball


class Pixels(float):
    """A distance in [0, 1] pixels, which may be written as a fraction: Pixels("8/255")."""

    def __new__(cls, value: str | float) -> "Pixels":
        text = str(value).replace(" ", "")
        try:
            self = super().__new__(cls, Fraction(text))
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"{value!r} is not a distance in [0, 1] pixels; write it like 8/255 or 0.03") from None
        self.text = text
        return self

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


register_type(Pixels, serializer=str, deserializer=Pixels)


@dataclass(frozen=True)
class AttackConfig:
    """PGD in an L-infinity ball, with one random start.

    Args:
        eps: radius of the ball, in [0, 1] pixels.
        step_size: length of a step, in [0, 1] pixels.
        steps: number of steps.
    """

    eps: Pixels = Pixels("8/255")
    step_size: Pixels = Pixels("2/255")
    steps: int = 7

    def __post_init__(self) -> None:
        if not 0 <= self.eps <= 1:
            raise ValueError(f"an attack's eps is a distance in [0, 1] pixels, for instance 8/255; not {self.eps}")
        if not self.step_size > 0 or self.steps < 1:
            raise ValueError(f"an attack needs a positive step_size and steps >= 1; not {self.step_size} and {self.steps}")


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
