"""Square Attack: its schedule, its squares, its stripes, queries only."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rlnet.attacks import Draws, Square
from rlnet.attacks.square import square

# sqrt(p 1024): p = 0.8 gives 28.6, and each halving divides by sqrt(2)
SIDES = {0: 29, 10: 29, 11: 20, 50: 20, 51: 14, 201: 10, 501: 7, 1001: 5, 2001: 4, 4001: 3, 6001: 2, 8001: 1, 9999: 1}


def test_schedule() -> None:
    for query, side in SIDES.items():
        assert Square(10_000).side(query, 32, 32) == side


def test_schedule_is_rescaled_to_the_queries_unless_a_horizon_is_given() -> None:
    for query, side in SIDES.items():
        if query % 10 == 1:
            assert Square(1000).side(query // 10 + 1, 32, 32) == side
            assert Square(1000, horizon=10_000).side(query, 32, 32) == side


@pytest.mark.parametrize(("p", "height", "width", "side"), [(1.0, 8, 8, 8), (0.8, 8, 32, 8), (1e-6, 8, 8, 1)])
def test_squares_fit_into_the_image(p: float, height: int, width: int, side: int) -> None:
    assert Square(100, p_init=p).side(0, height, width) == side


def test_a_square_may_be_anywhere() -> None:
    """Its corner is uniform among all places, the last ones too."""
    u = torch.rand(3000, 2, generator=torch.Generator().manual_seed(0))
    inside = square(u, 3, 5, 6)
    assert inside.shape == (3000, 5, 6) and torch.all(inside.sum(dim=(1, 2)) == 9)
    rows, columns = inside.any(dim=2).float().argmax(dim=1), inside.any(dim=1).float().argmax(dim=1)
    assert rows.bincount().tolist() == pytest.approx([1000] * 3, rel=0.1)
    assert columns.bincount().tolist() == pytest.approx([750] * 4, rel=0.1)
    first, last = square(torch.tensor([[0.0, 0.0], [1 - 2**-24] * 2]), 3, 5, 6)
    assert first[:3, :3].all() and last[2:, 3:].all()


def queries(attack: Square, x: Tensor, eps: float, best_at: int = 10**9) -> list[Tensor]:
    """The images that the attack asks about; nothing fools, and each query before `best_at` raises the loss."""
    asked: list[Tensor] = []

    def classifier(images: Tensor) -> Tensor:
        assert not torch.is_grad_enabled() and not images.requires_grad
        asked.append(images.clone())
        lead = torch.full((len(images),), 5.0 - 1e-3 * min(len(asked), best_at))
        return torch.stack([lead, torch.zeros_like(lead)], dim=1)

    attack(classifier, x, torch.zeros(len(x), dtype=torch.int64), eps, Draws(0, len(x)))
    return asked


def test_asks_as_often_as_it_may() -> None:
    assert len(queries(Square(37), torch.rand(2, 1, 8, 8), 0.1)) == 37


def test_stripes_then_squares_of_one_sign_per_channel() -> None:
    x = torch.full((20, 2, 8, 8), 0.5)
    asked = queries(Square(30), x, 0.1)
    stripes = asked[0]
    assert torch.equal(stripes, stripes[:, :, :1].expand_as(stripes))
    torch.testing.assert_close((stripes - x).abs(), torch.full_like(x, 0.1))
    assert stripes[:, :, 0].unique(dim=0).shape[0] > 15  # each image has its own
    for query in range(1, 30):
        changed = asked[query] != asked[query - 1]
        side = Square(30).side(query, 8, 8)
        inside = changed.any(dim=1)
        assert inside.any(dim=2).sum(dim=1).max() <= side and inside.any(dim=1).sum(dim=1).max() <= side
        for image in range(20):
            for channel in range(2):
                assert asked[query][image, channel][changed[image, channel]].unique().numel() <= 1


def test_keeps_only_what_raises_the_loss() -> None:
    """After the loss has risen for the last time, every query is one square away from the same image."""
    asked = queries(Square(60), torch.full((1, 1, 8, 8), 0.5), 0.1, best_at=20)
    best = asked[19]
    for query in range(20, 60):
        assert (asked[query] != best).sum() <= Square(60).side(query, 8, 8) ** 2
    assert len({tuple(images.flatten().tolist()) for images in asked[20:]}) > 10


def test_raises_the_margin_until_it_fools() -> None:
    """Four pixels have few corners, so random search meets the best one, where the margin of f - threshold is 0.5 - 0.49."""
    w = torch.tensor([1.0, -2.0, 1.5, -0.5])  # |w|_1 = 5, so f rises by 0.1 * 5 at most

    def classifier(threshold: float) -> Callable[[Tensor], Tensor]:
        return lambda x: torch.stack([torch.full((len(x),), threshold), ((x - 0.5).flatten(1) * w).sum(dim=1)], dim=1)

    x, label = torch.full((1, 1, 2, 2), 0.5), torch.zeros(1, dtype=torch.int64)
    found = Square(200)(classifier(0.49), x, label, 0.1, Draws(0, 1))
    torch.testing.assert_close(found, x + 0.1 * w.sign().view_as(x))
    left = Square(200)(classifier(0.51), x, label, 0.1, Draws(0, 1))
    torch.testing.assert_close(left, x + 0.1 * w.sign().view_as(x))
