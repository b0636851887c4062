"""The digits, which need no files: how data sets are limited and split, and what is said about settings out of range."""

import numpy as np
import pytest
import torch

from rlnet.data import DataConfig, load
from rlnet.data.splits import balanced_quota, proportional_quota

from .image_files import class_counts, images_of


def test_digits_need_no_files_and_are_split_by_class() -> None:
    data = load(DataConfig(root="/nowhere"), seed=0)
    assert data.image_shape == (3, 32, 32) and not data.flip and data.crop_padding == 4
    assert [len(part) for part in (data.train, data.validation, data.test)] == [1293, 144, 360]
    assert not images_of(data.train) & images_of(data.validation) and not images_of(data.train) & images_of(data.test)
    for part in (data.train, data.validation, data.test):
        shares = np.array(class_counts(part.labels)) / len(part)
        assert np.abs(shares - 0.1).max() < 0.02
    scaled = data.train.images.double() / 255
    assert np.allclose(scaled.mean((0, 2, 3)), data.mean) and np.allclose(scaled.std((0, 2, 3)), data.std, atol=1e-6)


def test_validation_changes_with_the_seed_and_the_test_set_does_not() -> None:
    first, again, other = (load(DataConfig(test_limit=50), seed) for seed in (0, 0, 1))
    assert images_of(first.validation) == images_of(again.validation) != images_of(other.validation)
    assert torch.equal(first.test.images, other.test.images)
    assert images_of(first.train) | images_of(first.validation) == images_of(other.train) | images_of(other.validation)


def test_limits_are_balanced_and_taken_before_the_validation_split() -> None:
    data = load(DataConfig(train_limit=200, test_limit=53, validation=0.25), seed=0)
    assert class_counts(data.train.labels) == [15] * 10 and class_counts(data.validation.labels) == [5] * 10
    assert sorted(class_counts(data.test.labels)) == [5] * 7 + [6] * 3
    assert images_of(load(DataConfig(train_limit=200), 1).train) != images_of(load(DataConfig(train_limit=200), 2).train)


def test_quotas_by_hand() -> None:
    assert proportional_quota(np.array([10, 20, 31]), 7).tolist() == [1, 2, 4]
    assert balanced_quota(np.array([2, 9, 9]), 9).tolist() == [2, 4, 3]
    assert balanced_quota(np.array([2, 9, 9]), 20).tolist() == [2, 9, 9]


def test_flip_and_crop_padding_can_be_chosen() -> None:
    data = load(DataConfig(flip=True, crop_padding=2), seed=0)
    assert data.flip and data.crop_padding == 2


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"name": "mnist"}, "'mnist' is unknown: use one of digits"),
        ({"validation": 0.0}, "validation is 0.0"),
        ({"validation": 1.0}, "validation is 1.0"),
        ({"validation": 0.0001}, "of class '0': both parts need"),
        ({"train_limit": 10}, "both parts need"),
        ({"train_limit": 9}, "train_limit is 9: use 10"),
        ({"train_limit": 1438}, "to 1437"),
        ({"test_limit": 0}, "test_limit is 0"),
        ({"test_limit": 361}, "to 360"),
        ({"image_size": 16}, "name=folder only"),
        ({"name": "folder", "image_size": 0}, "image_size is 0"),
        ({"crop_padding": -1}, "crop_padding is -1"),
        ({"crop_padding": 32}, "crop_padding is 32"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        load(DataConfig(**settings), seed=0)


def test_negative_seed() -> None:
    with pytest.raises(ValueError, match="seed is -1"):
        load(DataConfig(), seed=-1)
