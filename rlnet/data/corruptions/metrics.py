"""NPA and mCE: one number for the accuracies under all corruptions."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from rlnet.data.corruptions import CORRUPTIONS

# Mean error over severities of the ResNet-18 that AugMax (Wang et al. 2021, its code's test.py) normalises Tiny-ImageNet-C by;
# RLNet's code has the same numbers.
_TINY_IMAGENET = (
    *(0.8037, 0.7597, 0.7758),  # noise
    *(0.8426, 0.8274, 0.7907, 0.8212),  # blur
    *(0.7497, 0.7381, 0.7433),  # weather
    *(0.6800, 0.8939, 0.7308, 0.6121, 0.6452),  # digital
)
BASELINE_ERRORS: dict[str, dict[str, float]] = {"tiny-imagenet": dict(zip(CORRUPTIONS, _TINY_IMAGENET, strict=True))}


def npa(accuracy: Mapping[str, Sequence[float]]) -> float:
    """Natural perturbation accuracy (Sarkar et al. 2024, Sec. 3.1): the mean over corruptions of the mean over severities.

    accuracy: of each corruption at each severity, fractions of 1. Of its corruptions those of the benchmark's fifteen count;
    the extra ones never do. Raises ValueError if it has none of the fifteen, or no severity of one.
    """
    return fmean(_severity_means(accuracy).values())


def mce(accuracy: Mapping[str, Sequence[float]], baseline: Mapping[str, float] | None) -> float:
    """Mean corruption error (Hendrycks & Dietterich 2019, Sec. 4.1, without its factor of 100).

        mCE = mean_c (CE_c / CE_c^base),   CE_c = 1 - mean_s accuracy_cs

    accuracy: as for `npa`. baseline: CE_c^base, such as BASELINE_ERRORS["tiny-imagenet"]; None divides by 1, as is usual for
    CIFAR: mCE = 1 - NPA. Divided by a baseline, it is defined on all fifteen corruptions only.
    Raises ValueError where `npa` does, and for a baseline if one of the fifteen is missing in accuracy.
    """
    means = _severity_means(accuracy)
    if baseline is None:
        return 1 - fmean(means.values())
    if missing := [name for name in CORRUPTIONS if name not in means]:
        raise ValueError(f"mCE divided by baseline errors needs all fifteen corruptions; measure {', '.join(missing)} too")
    return fmean((1 - mean) / baseline[name] for name, mean in means.items())


def _severity_means(accuracy: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The mean over severities of each of the fifteen corruptions that are there. Raises ValueError."""
    counted = {name: accuracy[name] for name in CORRUPTIONS if name in accuracy}
    if not counted:
        raise ValueError(
            f"no accuracy under any of the benchmark's corruptions: measure at least one of {', '.join(CORRUPTIONS)}"
        )
    if empty := [name for name, values in counted.items() if not values]:
        raise ValueError(f"no accuracy at any severity of {', '.join(empty)}: measure at least one")
    return {name: fmean(values) for name, values in counted.items()}
