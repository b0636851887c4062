"""What is timed of the corruptions, how the times are put together, and that batches are faster."""

from collections.abc import Sequence
from itertools import count
from statistics import median

import pytest
import torch
from torch import Tensor

from rlnet.comparison import corruptions
from rlnet.comparison.corruptions import over_all, time_corruptions

IMAGES = torch.rand(60, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_batches_beside_single_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each corruption at both severities: 60 images in batches of 25, and 50 of them one by one."""
    calls: list[tuple[str, int, int, int]] = []
    threads: set[int] = set()

    def record(batch: Tensor, name: str, severity: int, *, generator: torch.Generator) -> None:
        calls.append((name, severity, len(batch), generator.initial_seed()))
        threads.add(torch.get_num_threads())

    monkeypatch.setattr(corruptions, "corrupt", record)
    monkeypatch.setattr(corruptions, "BATCH", 25)
    ticks: list[None] = []
    card = time_corruptions(IMAGES, 1, ("fog", "snow"), (2, 5), 7, lambda: ticks.append(None))
    batches = [(severity, size, 7) for severity in (2, 5) for size in (25, 25, 10)]
    singles = [(severity, 1, 7) for severity in (2, 5)] * 50
    for name in ("fog", "snow"):
        assert sorted(call[1:] for call in calls if call[0] == name) == sorted(2 * (batches + singles))  # warming up, timed
    assert threads == {1} and len(ticks) == 2 * 2
    assert card["sets"] == 4 and card["images"] == 60 and card["reference_images"] == 50 and card["batch_size"] == 25


def test_times_are_per_image_and_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves one second between two readings: 1000 ms over 60 or 50 images at two severities."""
    clock = count()
    monkeypatch.setattr("rlnet.comparison.steps.time.perf_counter", lambda: next(clock))
    card = time_corruptions(IMAGES, 3, ("contrast",), (1, 2), 0, lambda: None)
    expected = {"ours": [1000 / 120] * 3, "reference": [10.0] * 3, "ratio": [1.2] * 3}
    assert list(card["ms_per_image"]) == ["contrast", "all"]
    for found in card["ms_per_image"].values():
        assert found == {key: pytest.approx(values) for key, values in expected.items()}


def test_the_ratio_of_all_is_that_of_the_sums() -> None:
    found = over_all([{"ours": [1.0, 2.0], "reference": [2.0, 8.0]}, {"ours": [3.0, 2.0], "reference": [30.0, 8.0]}])
    assert found == {"ours": [2.0, 2.0], "reference": [16.0, 8.0], "ratio": [8.0, 4.0]}


def test_batches_are_faster() -> None:
    """fog and snow, 20 and 13 times faster on one core: enough for three times on a busy machine."""
    threads = torch.get_num_threads()
    card = time_corruptions(IMAGES, 3, ("fog", "snow"), (3,), 0, lambda: None)
    assert median(card["ms_per_image"]["all"]["ratio"]) > 3
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("images", "repeats", "names", "severities", "match"),
    [
        (IMAGES[:0], 1, ("fog",), (1,), "0 images"),
        (IMAGES, 0, ("fog",), (1,), "0 repeats"),
        (IMAGES, 1, (), (1,), "0 corruptions"),
        (IMAGES, 1, ("fog",), (), "0 severities"),
        (IMAGES, 1, ("rain",), (1,), "unknown corruption 'rain'"),
        (IMAGES, 1, ("fog",), (6,), "severity is 6"),
    ],
)
def test_nothing_to_time(images: Tensor, repeats: int, names: Sequence[str], severities: Sequence[int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        time_corruptions(images, repeats, names, severities, 0, lambda: None)
