"""How sure a mean over seeds is."""

import statistics
from collections.abc import Sequence

from scipy.special import stdtrit


def mean_interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """The mean of paired differences and its 95% interval by Student's t. Raises ValueError for fewer than two."""
    n = len(differences)
    if n < 2:
        raise ValueError(f"{n} difference has no interval; repeat with another seed")
    mean = statistics.mean(differences)
    half = float(stdtrit(n - 1, 0.975)) * statistics.stdev(differences) / n**0.5
    return mean, mean - half, mean + half
