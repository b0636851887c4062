"""Water-filling: exact sums, caps, order, and a second algorithm to agree with."""

import itertools
import math
import random

import pytest

from masks import waterfill


def random_case(seed: int) -> tuple[list[float], list[int]]:
    """Sensitivities, some of them 0 and some alike, and capacities, some of them 0, of 1 to 20 sites."""
    rng = random.Random(seed)
    sites = range(rng.randint(1, 20))
    sensitivity = [rng.choice([0.0, 1.0, rng.random(), rng.random() * 10 ** rng.randint(-6, 6)]) for _ in sites]
    return sensitivity, [rng.choice([0, 1, rng.randint(1, 30), rng.randint(1, 100_000)]) for _ in sites]


def budgets(capacities: list[int], seed: int) -> list[int]:
    total = sum(capacities)
    return sorted({0, min(1, total), max(total - 1, 0), total, *(random.Random(seed).randint(0, total) for _ in range(3))})


def bisected(sensitivity: list[float], capacities: list[int], budget: int) -> list[float]:
    """Real shares by bisection of the level, for a budget that the sensitive sites can take."""
    low, high = 0.0, 2 * max(n / eta for eta, n in zip(sensitivity, capacities, strict=True) if eta > 0)
    for _ in range(2000):
        kappa = (low + high) / 2
        filled = math.fsum(min(n, kappa * eta) for eta, n in zip(sensitivity, capacities, strict=True))
        low, high = (kappa, high) if filled < budget else (low, kappa)
        if kappa in (low, high) and math.nextafter(low, high) >= high:
            break
    return [min(n, high * eta) for eta, n in zip(sensitivity, capacities, strict=True)]


@pytest.mark.parametrize("seed", range(300))
def test_sum_and_caps(seed: int) -> None:
    sensitivity, capacities = random_case(seed)
    for budget in budgets(capacities, seed):
        counts = waterfill(sensitivity, capacities, budget)
        assert sum(counts) == budget
        assert all(0 <= r <= n for r, n in zip(counts, capacities, strict=True))


@pytest.mark.parametrize("seed", range(300))
def test_agrees_with_bisection(seed: int) -> None:
    sensitivity, capacities = random_case(seed)
    capacity = sum(n for eta, n in zip(sensitivity, capacities, strict=True) if eta > 0)
    for budget in budgets(capacities, seed):
        if 0 < budget <= capacity:
            shares = bisected(sensitivity, capacities, budget)
            counts = waterfill(sensitivity, capacities, budget)
            assert all(abs(r - share) < 1 + 1e-6 for r, share in zip(counts, shares, strict=True))


@pytest.mark.parametrize("seed", range(100))
def test_more_budget_takes_at_most_the_rounding(seed: int) -> None:
    sensitivity, capacities = random_case(seed)
    splits = [waterfill(sensitivity, capacities, budget) for budget in budgets(capacities, seed)]
    for smaller, larger in itertools.pairwise(splits):
        assert all(after >= before - 1 for before, after in zip(smaller, larger, strict=True))


@pytest.mark.parametrize("seed", range(100))
def test_insensitive_sites_come_last(seed: int) -> None:
    sensitivity, capacities = random_case(seed)
    for budget in budgets(capacities, seed):
        counts = waterfill(sensitivity, capacities, budget)
        if any(r for eta, r in zip(sensitivity, counts, strict=True) if eta == 0):
            assert all(r == n for eta, r, n in zip(sensitivity, counts, capacities, strict=True) if eta > 0)


@pytest.mark.parametrize("scale", [2.0**-40, 2.0**40])
def test_scale_of_the_sensitivity_is_arbitrary(scale: float) -> None:
    sensitivity, capacities = [0.3, 0.1, 0.7], [50, 1000, 60]
    for budget in range(0, 1111, 37):
        assert waterfill([scale * eta for eta in sensitivity], capacities, budget) == waterfill(sensitivity, capacities, budget)


def test_by_hand() -> None:
    assert waterfill([1, 2, 3], [100, 100, 100], 60) == [10, 20, 30]
    assert waterfill([1, 2, 3], [100, 100, 15], 60) == [15, 30, 15]  # the surplus of the third goes 1 : 2
    assert waterfill([1, 0, 0], [10, 30, 60], 40) == [10, 10, 20]  # the rest by capacity
    assert waterfill([], [], 0) == []
    assert waterfill([0, 0], [0, 5], 5) == [0, 5]


def test_ties_go_to_the_lowest_index() -> None:
    assert waterfill([1, 1, 1, 1], [9, 9, 9, 9], 6) == [2, 2, 1, 1]


@pytest.mark.parametrize(
    ("sensitivity", "capacities", "budget", "message"),
    [
        ([1, 1], [2, 2], 5, "5 ReLUs is outside 0 ... 4"),
        ([1, 1], [2, 2], -1, "-1 ReLUs is outside"),
        ([1, -0.5], [2, 2], 1, "site 1 is -0.5"),
        ([math.nan, 1], [2, 2], 1, "site 0 is nan"),
        ([math.inf, 1], [2, 2], 1, "site 0 is inf"),
        ([1, 1], [2, -2], 0, "site 1 is -2"),
        ([1, 1, 1], [2, 2], 1, "3 sensitivities for 2 sites"),
    ],
)
def test_what_is_refused(sensitivity: list[float], capacities: list[int], budget: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        waterfill(sensitivity, capacities, budget)
