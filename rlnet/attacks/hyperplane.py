"""The shortest way to a hyperplane within the box of images [0, 1]."""

import torch
from torch import Tensor


def to_hyperplane(x: Tensor, w: Tensor, value: Tensor) -> Tensor:
    r"""The L-infinity shortest way from x to a hyperplane within [0, 1] (Croce & Hein 2020, arXiv:1907.02044, Eq. 5).

        min |d|_inf   with   value + <w, d> = 0,   0 <= x + d <= 1

    x, w: (B, C, H, W). value: (B,). Where the box doesn't reach the hyperplane, d goes as near as it can.

    Pixel i moves against the value's sign, by min(l, r_i) with its room r_i in the box, so l solves
    sum_i |w_i| min(l, r_i) = |value|. The left side is concave and piecewise linear: Newton's method from the left of the
    root, l <- (|value| - sum_{r_i <= l} |w_i| r_i) / sum_{r_i > l} |w_i|, never passes it, and is there when no more pixel
    runs out of room. That is exact, like sorting the rooms, and takes a few passes over the pixels.
    """
    shape, x, w = x.shape, x.flatten(1), w.flatten(1)
    direction = -w.sign() * value.sign()[:, None]
    room = torch.where(direction > 0, 1 - x, x)
    weight = w.abs()
    gain = weight * room
    need, length = value.abs(), torch.zeros_like(value)
    while True:
        free = room > length[:, None]
        slope = (weight * free).sum(dim=1)
        longer = torch.where(slope > 0, (need - (gain * ~free).sum(dim=1)) / slope, 1)  # 1: no room is longer
        if not (longer > length).any():
            break
        length = torch.maximum(longer, length)
    return (direction * torch.minimum(room, length[:, None])).view(shape)
