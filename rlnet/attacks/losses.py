"""What attacks climb: a loss per image (B,) from logits (B, K) and labels (B,), larger the more wrong the classifier is."""

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(z)_y, in nats."""
    return F.cross_entropy(logits, labels, reduction="none")


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """max_{k != y} z_k - z_y, positive where the prediction is wrong (Carlini & Wagner 2017, arXiv:1608.04644, f_6)."""
    return _without(logits, labels).max(dim=1).values - _of(logits, labels)


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    r"""Difference of logits ratio (Croce & Hein 2020, arXiv:2003.01690, Eq. 6), invariant to shift and scale of the logits.

        DLR(z, y) = -(z_y - max_{k != y} z_k) / (z_pi1 - z_pi3),   z_pi1 >= z_pi2 >= ...

    Raises ValueError for K < 3.
    """
    _at_least(3, logits, "dlr")
    first, _, third = logits.topk(3, dim=1).values.unbind(dim=1)
    return margin(logits, labels) / (first - third + 1e-12)


def dlr_targeted(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    r"""Targeted difference of logits ratio (Croce & Hein 2020, arXiv:2003.01690, Eq. 7); targets: wrong classes (B,).

        DLR(z, y, t) = -(z_y - z_t) / (z_pi1 - (z_pi3 + z_pi4) / 2)

    Raises ValueError for K < 4.
    """
    _at_least(4, logits, "targeted dlr")
    first, _, third, fourth = logits.topk(4, dim=1).values.unbind(dim=1)
    return lead(logits, labels, targets) / (first - (third + fourth) / 2 + 1e-12)


def lead(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """z_t - z_y, above 0 where the target t is before the label y; targets: (B,)."""
    return _of(logits, targets) - _of(logits, labels)


def likeliest_wrong(logits: Tensor, labels: Tensor, n: int) -> Tensor:
    """The n most likely wrong classes, or all K - 1 if they are fewer: int64 (B, n), the likeliest first."""
    return _without(logits, labels).topk(min(n, logits.shape[1] - 1), dim=1).indices


def _of(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes[:, None]).squeeze(1)


def _without(logits: Tensor, labels: Tensor) -> Tensor:
    return logits.scatter(1, labels[:, None], float("-inf"))


def _at_least(classes: int, logits: Tensor, loss: str) -> None:
    if logits.shape[1] < classes:
        raise ValueError(
            f"the {loss} loss compares {classes} logits, but the network tells only {logits.shape[1]} classes apart; "
            "use an attack on the cross-entropy or the margin"
        )
