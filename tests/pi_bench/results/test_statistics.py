import math

import numpy as np
import pytest
from scipy.stats import binomtest, linregress, t

from pi_bench.results.statistics import line, median, median_ci95, p90, ratio_of_medians, wilson_ci95


def test_the_median_is_the_middle_or_the_mean_of_the_two_middles():
    assert (median([9, 1, 5]), median([4, 1, 3, 2])) == (5, 2.5)


def test_p90_interpolates_between_neighbours():
    assert p90(range(11)) == 9
    assert p90([10, 20]) == pytest.approx(19)


def test_one_value_is_its_own_interval():
    assert median_ci95([3.0]) == (3.0, 3.0)


def test_the_interval_of_a_median_holds_it_and_is_the_same_every_time():
    values = np.random.default_rng(1).lognormal(size=31)
    low, high = median_ci95(values)
    assert values.min() < low < median(values) < high < values.max()
    assert (low, high) == median_ci95(values)


def test_the_interval_of_a_median_agrees_with_its_large_sample_width():
    """The median of n standard normal values has a standard deviation of sqrt(pi / 2n)."""
    n = 2001
    low, high = median_ci95(np.random.default_rng(2).normal(size=n))
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(math.pi / (2 * n)), rel=0.2)


def test_noise_that_hits_a_turn_hits_both_and_leaves_the_ratio_alone():
    below = np.random.default_rng(3).lognormal(size=21)
    ratio = ratio_of_medians(3 * below, below)
    assert ratio.value == pytest.approx(3)
    assert ratio.ci95 == pytest.approx((3, 3))


def test_unrelated_noise_gives_a_ratio_an_interval():
    random = np.random.default_rng(4)
    ratio = ratio_of_medians(random.uniform(8, 12, 21), random.uniform(4, 6, 21))
    assert ratio.ci95[0] < ratio.value < ratio.ci95[1]
    assert ratio.ci95[0] > 1.5 and ratio.ci95[1] < 2.7


@pytest.mark.parametrize(
    ("above", "below", "text"), [([1, 2], [1], "paired"), ([1], [0], "positive"), ([], [], "at least one")]
)
def test_what_makes_no_ratio_is_refused(above, below, text):
    with pytest.raises(ValueError, match=text):
        ratio_of_medians(above, below)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (7, 10), (123, 1000)])
def test_wilson_agrees_with_scipy(successes, n):
    expected = binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson_ci95(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_wilson_refuses_what_is_no_fraction():
    for successes, n in ((0, 0), (3, 2), (-1, 4)):
        with pytest.raises(ValueError, match="no fraction"):
            wilson_ci95(successes, n)


def test_points_on_a_line_are_found_exactly():
    found = line([0, 1, 2, 5], [3, 5, 7, 13])
    assert (found.slope, found.intercept, found.r2) == pytest.approx((2, 3, 1))
    assert found.slope_ci95 == pytest.approx((2, 2))


def test_a_noisy_line_agrees_with_scipy():
    random = np.random.default_rng(5)
    x = random.uniform(0, 9, 12)
    y = 4 - 0.7 * x + random.normal(size=12)
    found, expected = line(x, y), linregress(x, y)
    assert (found.slope, found.intercept, found.r2) == pytest.approx((expected.slope, expected.intercept, expected.rvalue**2))
    half = t.ppf(0.975, 10) * expected.stderr
    assert found.slope_ci95 == pytest.approx((expected.slope - half, expected.slope + half))


def test_two_points_have_a_line_and_no_interval():
    assert line([1, 2], [5, 5]).slope_ci95 is None
    assert (line([1, 2], [5, 5]).slope, line([1, 2], [5, 5]).r2) == (0, 1)


def test_one_place_on_the_x_axis_fixes_no_line():
    with pytest.raises(ValueError, match="two different x"):
        line([2, 2, 2], [1, 2, 3])
