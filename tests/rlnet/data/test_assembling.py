"""Which images select checkpoints: a fraction of the training images, or those of a part of their own."""

from pathlib import Path

import pytest
import torch

from rlnet.data import DataConfig, load
from rlnet.data.assembling import assembled
from rlnet.data.digits import digits

from .image_files import class_counts, images_of, load_folder, write_classes


@pytest.fixture
def three(tmp_path: Path) -> Path:
    for seed, (part, count) in enumerate({"train": 10, "Valid": 3, "test": 4}.items()):
        write_classes(tmp_path / part, count, seed=seed)
    return tmp_path


def test_a_validation_part_is_what_is_held_out(three: Path) -> None:
    """Whole, the same for every seed, and every training image is trained on."""
    data, other = load_folder(three), load_folder(three, seed=1, train_limit=6)
    assert [class_counts(part.labels) for part in (data.train, data.validation, data.test)] == [[10] * 2, [3] * 2, [4] * 2]
    assert class_counts(other.train.labels) == [3, 3] and torch.equal(other.validation.images, data.validation.images)
    assert len(images_of(data.train) | images_of(data.validation) | images_of(data.test)) == 34
    assert list(data.fingerprint.parts) == ["train", "validation", "test"]


def test_a_fraction_beside_it_is_refused(three: Path) -> None:
    with pytest.raises(ValueError, match=r"validation is 0.3, but .* has validation images of its own: leave the setting out"):
        load_folder(three, validation=0.3)


def test_images_of_the_validation_part_must_be_like_the_others(three: Path) -> None:
    write_classes(three / "Valid", 1, ("bird",))
    with pytest.raises(ValueError, match=r"the classes of train/ and Valid/ differ in .'bird'."):
        load_folder(three)


def test_notes_and_leaks_reach_the_data_set(three: Path) -> None:
    (three / "extra").mkdir()
    data = load_folder(three)
    assert data.notes == (f"{three} has train/, Valid/, test/; what else lies there is not read: extra",) and data.leaks is None


@pytest.mark.parametrize("settings", [{}, {"train_limit": 200, "test_limit": 53, "validation": 0.25, "crop_padding": 2}])
def test_it_is_what_load_gives(settings: dict[str, object]) -> None:
    config = DataConfig(**settings)
    loaded, data = load(config, 3), assembled(digits(config), config, 3)
    for part in ("train", "validation", "test"):
        assert getattr(data, part).fingerprint == getattr(loaded, part).fingerprint
    assert (data.mean, data.std, data.crop_padding, data.flip) == (loaded.mean, loaded.std, loaded.crop_padding, loaded.flip)
