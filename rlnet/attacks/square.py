"""Square Attack: random search with squares, by queries only (Andriushchenko et al. 2020, arXiv:1912.00049)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rlnet.attacks.attack import Classifier, ball
from rlnet.attacks.draws import Draws
from rlnet.attacks.losses import margin
from rlnet.attacks.objective import Found, misclassification

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)  # of p, among 10,000 queries


@dataclass(frozen=True)
class Square:
    """Random search that raises the margin: Alg. 1 with the L-infinity sampling of Alg. 2. It needs no gradient.

    The first query has vertical stripes of x - eps and x + eps; each further one sets a square, of one sign per channel, and
    is kept where it raises the loss. Position and signs are drawn for each image.

    Args:
        queries: number of forward passes.
        p_init: the fraction of pixels that the first squares cover.
        horizon: the number of queries over which squares get smaller; None for `queries`. AutoAttack stops after 5,000 of
            10,000.
    """

    queries: int = 5000
    p_init: float = 0.8
    horizon: int | None = None

    @property
    def passes(self) -> int:
        return self.queries

    @torch.no_grad()
    def __call__(self, classifier: Classifier, x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        found, objective = Found(x), misclassification(classifier, labels, margin)
        _, channels, height, width = x.shape
        low, high = ball(x, eps)
        x_adv = torch.where(draws.uniform(found.rows, channels, 1, width) < 0.5, low, high)
        loss, fooled = objective(x_adv, found.rows)
        x_adv, low, high, loss = found.drop(x_adv, fooled, x_adv, low, high, loss)
        for query in range(1, self.queries):
            if not len(found.rows):
                break
            u = draws.uniform(found.rows, 2 + channels)
            inside = square(u[:, :2], self.side(query, height, width), height, width)
            corner = torch.where(u[:, 2:, None, None] < 0.5, low, high)
            candidate = torch.where(inside[:, None], corner, x_adv)
            new_loss, fooled = objective(candidate, found.rows)
            better = new_loss > loss
            x_adv = torch.where(better[:, None, None, None], candidate, x_adv)
            loss = torch.where(better, new_loss, loss)
            x_adv, low, high, loss = found.drop(candidate, fooled, x_adv, low, high, loss)
        found.leave(x_adv)
        return found.x_adv

    def side(self, query: int, height: int, width: int) -> int:
        """The side of a query's square, in pixels: round(sqrt(p H W)), between 1 and the image's own side."""
        of_10000 = query * 10_000 // (self.horizon or self.queries)
        p = self.p_init / 2 ** sum(of_10000 > halving for halving in HALVINGS)
        return min(max(round(math.sqrt(p * height * width)), 1), height, width)


def square(u: Tensor, side: int, height: int, width: int) -> Tensor:
    """Which pixels are in a square at a uniformly random place in the image, bool (B, H, W). u: U(0, 1) numbers (B, 2)."""
    return _within(u[:, 0], side, height)[:, :, None] & _within(u[:, 1], side, width)[:, None, :]


def _within(u: Tensor, side: int, size: int) -> Tensor:
    """Which of the `size` pixels along one axis are in the square, bool (B, size)."""
    place = torch.arange(size, device=u.device) - (u[:, None] * (size - side + 1)).long()
    return (place >= 0) & (place < side)
