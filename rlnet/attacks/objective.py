"""What an attack climbs image by image, and which images it has found: the images that it fooled are left out from then on.

Shapes: B images in the batch, B' of them still sought, `rows` (B',) their places in the batch.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from rlnet.attacks.attack import Classifier, Loss, input_gradient, is_fooled
from rlnet.attacks.losses import likeliest_wrong

Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Images (B', C, H, W) and their rows to a loss per image (B',), to be raised, and whether each fools, bool (B',)."""


def misclassification(classifier: Classifier, labels: Tensor, loss: Loss) -> Objective:
    """The objective of fooling one classifier. labels: (B,), of the whole batch."""

    def objective(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        logits = classifier(x)
        return loss(logits, labels[rows]), is_fooled(logits, labels[rows])

    return objective


def targeted(
    classifier: Classifier, labels: Tensor, n: int, loss: Callable[[Tensor, Tensor, Tensor], Tensor], x: Tensor
) -> Iterator[Objective]:
    """The objectives of raising one likely wrong class after the other, the likeliest of images x (B, C, H, W) first.

    n: how many; K - 1 if there are fewer. loss: of logits, labels and targets. An image fools as soon as it is misclassified,
    as the target or otherwise.
    """
    for target in likeliest_wrong(classifier(x), labels, n).unbind(dim=1):

        def objective(x: Tensor, rows: Tensor, target: Tensor = target) -> tuple[Tensor, Tensor]:
            logits = classifier(x)
            return loss(logits, labels[rows], target[rows]), is_fooled(logits, labels[rows])

        yield objective


def loss_and_gradient(objective: Objective, x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loss (B',), whether each image fools (B',), and the loss's gradient for the images (B', C, H, W), all detached."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        loss, fooled = objective(x, rows)
        return loss.detach(), fooled, input_gradient(loss, x)


class Found:
    """What an attack on x (B, C, H, W) has found.

    x_adv: the image that fools, where one was found, or else what `leave` left there last, or x. rows: the images still
    sought.
    """

    def __init__(self, x: Tensor):
        self.x_adv = x.detach().clone()
        self.rows = torch.arange(len(x), device=x.device)

    def drop(self, x_adv: Tensor, fooled: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Keeps those of x_adv (B', C, H, W) that fool, and returns the rest of each tensor (B', ...) of the state."""
        if not fooled.any():
            return state
        left = ~fooled
        self.x_adv[self.rows[fooled]] = x_adv[fooled]
        self.rows = self.rows[left]
        return tuple(tensor[left] for tensor in state)

    def leave(self, x_adv: Tensor) -> None:
        """Leaves x_adv (B', C, H, W), which didn't fool, for the images still sought."""
        self.x_adv[self.rows] = x_adv
