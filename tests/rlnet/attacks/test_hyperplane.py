"""The shortest way to a hyperplane in the box, beside linear programming."""

import numpy as np
import pytest
import torch
from scipy.optimize import linprog

from rlnet.attacks.hyperplane import to_hyperplane


def shortest(x: np.ndarray, w: np.ndarray, value: float) -> float | None:
    """min l with value + <w, d> = 0, |d_i| <= l, 0 <= x + d <= 1, by linear programming; None where there is no such d."""
    n = len(x)
    pairs = np.block([[np.eye(n), -np.ones((n, 1))], [-np.eye(n), -np.ones((n, 1))]])
    bounds = [(-pixel, 1 - pixel) for pixel in x] + [(0, None)]
    objective = np.append(np.zeros(n), 1)
    result = linprog(objective, pairs, np.zeros(2 * n), np.append(w, 0)[None], [-value], bounds)
    return result.x[-1] if result.status == 0 else None


@pytest.mark.parametrize("size", [0.01, 0.3, 3.0])
def test_beside_linear_programming(size: float, generator: torch.Generator) -> None:
    """With pixels at both ends of the box, weights of 0, and hyperplanes on either side that may be out of reach."""
    x = torch.rand(30, 1, 4, 4, generator=generator)
    x = torch.where(x < 0.3, 0.0, torch.where(x > 0.8, 1.0, x))
    w = torch.randn(x.shape, generator=generator) * (torch.rand(x.shape, generator=generator) > 0.2)
    value = size * torch.randn(30, generator=generator)
    d = to_hyperplane(x, w, value)
    assert (x + d).min() >= -1e-6 and (x + d).max() <= 1 + 1e-6
    reached = 0
    for image in range(30):
        length = shortest(x[image].flatten().double().numpy(), w[image].flatten().double().numpy(), value[image].item())
        at = value[image] + (w[image] * d[image]).sum()
        if length is not None:
            reached += 1
            assert d[image].abs().max().item() == pytest.approx(length, rel=1e-4, abs=1e-6)
            assert at.item() == pytest.approx(0, abs=1e-5)
        else:  # as near as it can: the corner of the box
            towards = -w[image].sign() * value[image].sign()
            corner = torch.where(towards > 0, 1.0, torch.where(towards < 0, 0.0, x[image]))
            torch.testing.assert_close(x[image] + d[image], corner)
    assert reached == 30 if size < 1 else 0 < reached < 30


def test_by_hand() -> None:
    """Rooms 0.1 and 0.5 of weights 1 and 2: 0.1 + 2 l = 0.7 gives l = 0.3. And no way to go where the value is 0."""
    x = torch.tensor([0.9, 0.5, 0.5]).view(1, 1, 1, 3)
    w = torch.tensor([1.0, 2.0, 0.0]).view(1, 1, 1, 3)
    assert to_hyperplane(x, w, torch.tensor([-0.7])).flatten().tolist() == pytest.approx([0.1, 0.3, 0])
    assert to_hyperplane(x, w, torch.tensor([0.0])).flatten().tolist() == [0, 0, 0]


def test_no_weight_at_all() -> None:
    x = torch.full((2, 1, 2, 2), 0.5)
    assert torch.equal(to_hyperplane(x, torch.zeros_like(x), torch.tensor([1.0, -1.0])), torch.zeros_like(x))
