"""Medians, intervals and fits of what was measured: few numbers, often skewed, so medians and resampling instead of means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

RESAMPLES = 10_000
SEED = 0  # the same numbers give the same interval
Z95 = 1.959964  # the normal distribution's 97.5% quantile


@dataclass(frozen=True)
class Ratio:
    """median(above) / median(below) and its 95% interval."""

    value: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class Line:
    """y = intercept + slope * x by least squares; `slope_ci95` is None for fewer than three points, which fix no spread."""

    slope: float
    intercept: float
    r2: float
    slope_ci95: tuple[float, float] | None


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    return float(np.median(_some(values)))


def p90(values: Sequence[float]) -> float:
    """The 90% quantile, interpolated linearly between neighbours (numpy's default; type 7 of Hyndman and Fan 1996)."""
    return float(np.quantile(_some(values), 0.9))


def median_ci95(values: Sequence[float]) -> tuple[float, float]:
    """95% interval of the median by the percentile bootstrap (Efron 1979). A single value is its own interval."""
    values = _some(values)
    return _percentiles(np.median(values[_resamples(len(values))], axis=1))


def ratio_of_medians(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """How many times the median of `below` that of `above` is, from interleaved runs.

    Element i of both was measured in the same turn, so turns are resampled, not values: noise that hit a turn hit both.
    Raises ValueError for sequences of different length and for times that are not positive.
    """
    above, below = _some(above), _some(below)
    if len(above) != len(below):
        raise ValueError(f"{len(above)} and {len(below)} repeats cannot be paired; compare models of one run")
    if min(above.min(), below.min()) <= 0:
        raise ValueError("a ratio of medians needs positive values")
    turns = _resamples(len(above))
    ratios = np.median(above[turns], axis=1) / np.median(below[turns], axis=1)
    return Ratio(median(above) / median(below), _percentiles(ratios))


def wilson_ci95(successes: int, n: int) -> tuple[float, float]:
    """95% interval of a fraction of n (Wilson 1927). Raises ValueError for n < 1 or successes outside 0..n."""
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n} is no fraction; it takes at least one of which 0 to all succeed")
    p = successes / n
    centre = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * (p * (1 - p) / n + Z95**2 / (4 * n * n)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The least-squares line through points (x, y), with the slope's 95% interval by Student's t with n - 2 degrees of freedom.

    Raises ValueError where all x are the same: no line is fixed by them.
    """
    x, y = _some(x), _some(y)
    if len(x) != len(y) or np.ptp(x) == 0:
        raise ValueError("a line needs pairs (x, y) with at least two different x")
    x0, y0 = x - x.mean(), y - y.mean()
    slope = float(x0 @ y0 / (x0 @ x0))
    residual, spread = float(np.sum((y0 - slope * x0) ** 2)), float(y0 @ y0)
    freedom = len(x) - 2
    interval = None
    if freedom > 0:
        half = float(stdtrit(freedom, 0.975)) * (residual / freedom / float(x0 @ x0)) ** 0.5
        interval = (slope - half, slope + half)
    return Line(slope, float(y.mean() - slope * x.mean()), 1 - residual / spread if spread else 1.0, interval)


def _some(values: Sequence[float]) -> np.ndarray:
    """The values as a vector. Raises ValueError for none, or for what is not a number."""
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or len(found) == 0 or not np.isfinite(found).all():
        raise ValueError("statistics need at least one value, all of them finite")
    return found


def _resamples(n: int) -> np.ndarray:
    """Indices (RESAMPLES, n), each row n draws with replacement."""
    return np.random.default_rng(SEED).integers(n, size=(RESAMPLES, n))


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
