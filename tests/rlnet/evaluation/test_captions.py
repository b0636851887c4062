"""Captions say what was measured: how many images of each kind, over which corruptions, and what the switch does."""

import pytest

from rlnet.data.corruptions import CORRUPTIONS, EXTRA
from rlnet.evaluation import captions


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (CORRUPTIONS, "the benchmark's 15 corruptions x 5 severities"),
        (reversed(CORRUPTIONS + EXTRA), "the benchmark's 15 corruptions x 5 severities"),
        (CORRUPTIONS[:14], "only 14 of the benchmark's 15 corruptions x 5 severities"),
        (("fog", "gaussian_noise", "spatter"), "only 2 of the benchmark's 15 corruptions (gaussian noise, fog) x 5 severities"),
        (EXTRA, "only 0 of the benchmark's 15 corruptions x 5 severities"),
    ],
)
def test_corruptions(measured: tuple[str, ...], words: str) -> None:
    assert captions.corruptions(measured) == words


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((360, 360, 360), "360 test images each"),
        ((10_000, 1000, 500), "test images: 10,000 clean, 1,000 of each corruption, 500 attacked"),
        ((10_000, 0, 10_000), "10,000 test images each"),
        ((360, 0, 0), "test images: 360 clean"),
        ((360, 0, 60), "test images: 360 clean, 60 attacked"),
    ],
)
def test_images(counts: tuple[int, int, int], words: str) -> None:
    assert captions.images(*counts) == words


def test_a_switch_that_never_chooses_says_so() -> None:
    assert "every image takes the adversarial path" in captions.one_path(1.01)
    assert "every image takes the normal path" in captions.one_path(0.0)
    assert captions.one_path(1.0) is captions.one_path(0.4) is None
