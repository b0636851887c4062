"""NPA and mCE by hand."""

import pytest

from rlnet.data.corruptions import CORRUPTIONS
from rlnet.data.corruptions.metrics import BASELINE_ERRORS, mce, npa

TWO = {"fog": [0.9, 0.8, 0.7, 0.6, 0.5], "snow": [0.4, 0.4, 0.2, 0.0, 0.0]}  # means 0.7 and 0.2


def test_npa_is_the_mean_of_the_means() -> None:
    assert npa(TWO) == pytest.approx(0.45)
    assert npa({"fog": [1.0], "snow": [0.0, 0.0, 0.0]}) == 0.5  # not the mean over all five numbers


def test_mce_without_a_baseline_is_what_npa_lacks() -> None:
    assert mce(TWO, None) == pytest.approx(0.55)


def test_mce_with_a_baseline() -> None:
    """Errors of 0.3 and 0.8, and 0.5 for thirteen others, over baseline errors of 0.6, 0.4 and 1: 0.5, 2 and 0.5."""
    accuracy = dict.fromkeys(CORRUPTIONS, (0.75, 0.25)) | TWO
    baseline = dict.fromkeys(CORRUPTIONS, 1.0) | {"fog": 0.6, "snow": 0.4}
    assert mce(accuracy, baseline) == pytest.approx((0.5 + 2 + 13 * 0.5) / 15)


def test_the_extra_corruptions_never_count() -> None:
    extra = {"spatter": [0.0], "speckle_noise": [0.0], "gaussian_blur": [0.0], "saturate": [0.0]}
    assert npa(TWO | extra) == npa(TWO)
    assert mce(TWO | extra, None) == mce(TWO, None)
    accuracy = dict.fromkeys(CORRUPTIONS, (0.5,))
    baseline = BASELINE_ERRORS["tiny-imagenet"]
    assert mce(accuracy | extra, baseline) == mce(accuracy, baseline)


def test_the_baseline_of_tiny_imagenet() -> None:
    """A network with its errors has an mCE of 1; their mean is 0.7609."""
    baseline = BASELINE_ERRORS["tiny-imagenet"]
    assert mce({name: [1 - error] for name, error in baseline.items()}, baseline) == pytest.approx(1)
    assert sum(baseline.values()) / 15 == pytest.approx(0.7609, abs=5e-5)
    assert (baseline["gaussian_noise"], baseline["contrast"], baseline["jpeg_compression"]) == (0.8037, 0.8939, 0.6452)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="any of the benchmark's corruptions"):
        npa({"spatter": [1.0]})
    with pytest.raises(ValueError, match="any severity of snow"):
        npa({"fog": [1.0], "snow": []})
    accuracy = dict.fromkeys(CORRUPTIONS, (0.5,))
    del accuracy["frost"], accuracy["pixelate"]
    with pytest.raises(ValueError, match="all fifteen corruptions; measure frost, pixelate too"):
        mce(accuracy, BASELINE_ERRORS["tiny-imagenet"])
