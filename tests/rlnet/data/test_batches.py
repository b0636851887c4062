"""Training batches are a pure function of (seed, epoch, step); evaluation reads each image once."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from rlnet.data.batches import Batch, TrainingBatches, default_workers, evaluation_batches
from rlnet.data.config import AugMixConfig
from rlnet.data.crop import crop_flip
from rlnet.data.dataset import Dataset, ImageSet

COUNT = 52


@pytest.fixture
def dataset() -> Dataset:
    pixels = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (COUNT, 3, 12, 10), dtype=np.uint8))
    images = ImageSet(pixels, torch.arange(COUNT) % 4)
    return Dataset("noise", images, images, images, tuple("abcd"), (0.5,) * 3, (0.2,) * 3, flip=True, crop_padding=2)


def batches(dataset: Dataset, images: ImageSet | None = None, **settings: object) -> TrainingBatches:
    defaults = dict(batch_size=8, seed=0, augmented=True, augmix=AugMixConfig(), workers=0)
    return TrainingBatches(dataset, images or dataset.train, **(defaults | settings))


def fields(batch: Batch) -> list[torch.Tensor]:
    return [batch.index, batch.x, batch.x_augmented, batch.labels]


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(fields(a), fields(b), strict=True))


def test_shapes_types_ranges_and_labels(dataset: Dataset) -> None:
    training = batches(dataset)
    epoch = list(training.epoch(0))
    assert training.steps_per_epoch == len(epoch) == COUNT // 8
    for batch in epoch:
        assert batch.x.shape == batch.x_augmented.shape == (8, 3, 12, 10)
        assert batch.x.dtype == torch.uint8 and batch.x_augmented.dtype == torch.float32
        assert batch.x_augmented.min() >= 0 and batch.x_augmented.max() <= 1
        assert torch.equal(batch.labels, dataset.train.labels[batch.index])
    index = torch.cat([batch.index for batch in epoch])
    assert len(index.unique()) == len(index)


@pytest.mark.timeout(90)
def test_workers_change_nothing_even_after_opencv_has_started_its_threads(dataset: Dataset) -> None:
    cv2.setNumThreads(2)
    cv2.GaussianBlur(np.zeros((1024, 1024, 3), dtype=np.uint8), (31, 31), 0)
    alone, helped = batches(dataset), batches(dataset, workers=2)
    next(helped.epoch(5))  # an epoch that is given up leaves nothing behind
    for epoch, start in ((0, 0), (1, 0), (1, 4)):
        assert_same(list(alone.epoch(epoch, start)), list(helped.epoch(epoch, start)))


def test_two_ranks_together_are_one(dataset: Dataset) -> None:
    parts = [list(batches(dataset, rank=rank, world_size=2).epoch(3)) for rank in (0, 1)]
    joined = [Batch(*(torch.cat(pair) for pair in zip(fields(a), fields(b), strict=True))) for a, b in zip(*parts, strict=True)]
    assert_same(joined, list(batches(dataset).epoch(3)))


def test_resuming_within_an_epoch(dataset: Dataset) -> None:
    assert_same(list(batches(dataset).epoch(2, start_step=4)), list(batches(dataset).epoch(2))[4:])


def test_epochs_and_seeds_differ(dataset: Dataset) -> None:
    orders = [next(batches(dataset, seed=seed).epoch(epoch)).index.tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    first, second = batches(dataset, batch_size=COUNT), batches(dataset, batch_size=COUNT)
    crops = [next(b.epoch(epoch)) for b, epoch in ((first, 0), (second, 1))]
    in_order = [batch.x[batch.index.argsort()] for batch in crops]
    assert not torch.equal(*in_order)


def test_crop_and_mirror_are_shared_unless_asked_otherwise(dataset: Dataset) -> None:
    nearly_none = AugMixConfig(depth=1, severity=0.1, alpha=1e6, width=1)

    def distance(separately: bool) -> float:
        made = batches(dataset, augmix=nearly_none, batch_size=48, crop_augmented_separately=separately)
        batch = next(made.epoch(0))
        return float((batch.x / 255 - batch.x_augmented).abs().mean())

    assert distance(False) < 0.5 * distance(True)


def test_not_augmented(dataset: Dataset) -> None:
    plain, augmented = next(batches(dataset, augmented=False).epoch(0)), next(batches(dataset).epoch(0))
    assert plain.x_augmented is None and torch.equal(plain.x, augmented.x)


def test_no_mirror_images_without_flip(dataset: Dataset) -> None:
    still = replace(dataset, flip=False, crop_padding=0)
    for batch in batches(still).epoch(0):
        assert torch.equal(batch.x, dataset.train.images[batch.index])
    mirroring = replace(dataset, crop_padding=0)
    mirrored = kept = 0
    for batch in batches(mirroring).epoch(0):
        for image, index in zip(batch.x, batch.index, strict=True):
            raw = dataset.train.images[index]
            mirrored += torch.equal(image, raw.flip(-1))
            kept += torch.equal(image, raw)
    assert mirrored > 10 and kept > 10 and mirrored + kept == COUNT // 8 * 8


def test_crop_by_hand() -> None:
    image = torch.arange(6, dtype=torch.uint8).reshape(1, 1, 2, 3) + 1
    draws = np.array([[0.0, 0.0, 0.9], [0.99, 0.99, 0.9], [0.5, 0.5, 0.1]])
    crops = crop_flip(image.repeat(3, 1, 1, 1), draws, padding=1, flip=True)
    assert crops[:, 0].tolist() == [[[0, 0, 0], [0, 1, 2]], [[5, 6, 0], [0, 0, 0]], [[3, 2, 1], [6, 5, 4]]]


def test_small_set_is_one_trimmed_batch(dataset: Dataset) -> None:
    few = dataset.train.subset(torch.arange(7))
    made = batches(dataset, few, batch_size=64, world_size=2)
    assert made.steps_per_epoch == 1 and [len(batch.x) for batch in made.epoch(0)] == [3]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"batch_size": 9, "world_size": 2}, "multiple of the 2"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 128, "world_size": 64}, "52 images"),
        ({"workers": -1}, "workers is -1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_out_of_range(dataset: Dataset, settings: dict[str, int], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        next(batches(dataset, **settings).epoch(0))


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_evaluation_reads_each_image_once_in_the_same_batches(dataset: Dataset, world_size: int) -> None:
    alone = list(evaluation_batches(dataset.test, 10))
    parts = [list(evaluation_batches(dataset.test, 10, rank, world_size)) for rank in range(world_size)]
    for i, (x, labels, index) in enumerate(alone):
        for one, other in zip((x, labels, index), parts[i % world_size][i // world_size], strict=True):
            assert torch.equal(one, other)
    assert sum(map(len, parts)) == len(alone)
    assert torch.equal(torch.cat([index for _, _, index in alone]), torch.arange(COUNT))
    assert torch.equal(torch.cat([x for x, _, _ in alone]), dataset.test.images / 255)


def test_default_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(16)))
    assert default_workers("cpu") == 0 and default_workers("cuda") == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert default_workers("cuda") == 3
