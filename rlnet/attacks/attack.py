"""What an attack on a classifier is: images near clean ones, in an L-infinity ball and in [0, 1], that it gets wrong.

Shapes: B images (B, C, H, W) in [0, 1], labels (B,), K classes.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from rlnet.attacks.draws import Draws

Classifier = Callable[[Tensor], Tensor]
"""Images (B, C, H, W) in [0, 1] to logits (B, K): a constant function of each image, differentiable."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Logits (B, K) and labels (B,) to a loss per image (B,), larger the more wrong the classifier is."""


class Attack(Protocol):
    """An attack. A frozen dataclass of its settings; two with equal settings and draws find the same images.

    passes: roughly how many forward and backward passes it takes per image at most, for progress bars.
    """

    @property
    def passes(self) -> int: ...

    def __call__(self, classifier: Classifier, x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        """Adversarial images (B, C, H, W), detached, within eps of x and in [0, 1].

        x: clean images that the classifier gets right (others waste time). draws: for these B images. An attack that looks at
        several images for each x returns one that the classifier gets wrong wherever it saw one.
        """
        ...


def ball(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The least and the greatest value of each pixel that is within eps of x (B, C, H, W) and in [0, 1]."""
    return (x - eps).clamp_(min=0), (x + eps).clamp_(max=1)


def is_fooled(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether each prediction is wrong, bool (B,)."""
    return logits.argmax(dim=1) != labels


def input_gradient(loss: Tensor, x: Tensor, retain_graph: bool = False) -> Tensor:
    """The gradient for the images x of a sum of losses (B,), and for nothing else; 0 where none leads there."""
    if not loss.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(loss.sum(), x, retain_graph=retain_graph, materialize_grads=True)
    return gradient
