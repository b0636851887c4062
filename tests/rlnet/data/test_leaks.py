"""Exact copies of images in two parts of a data set: they are found, counted and named."""

import shutil
from pathlib import Path

import numpy as np

from rlnet.data.identity.leaks import copies

from .image_files import images_of, load_folder, write_classes


def test_copies_are_found_as_by_comparing_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        # Few different halves, so that digests that agree in half of their bytes are there too.
        digests, others = (
            np.repeat(rng.integers(0, 3, (size, 2), dtype=np.uint8), 8, axis=1) for size in rng.integers(1, 9, 2)
        )
        rows, originals = copies(digests, others)
        assert rows.tolist() == [i for i, digest in enumerate(digests) if (others == digest).all(1).any()]
        assert [others.tolist().index(digest) for digest in digests[rows].tolist()] == originals.tolist()


def test_no_copies_no_sentence(tmp_path: Path) -> None:
    for seed, part in enumerate(("train", "val", "test")):
        write_classes(tmp_path / part, 10, seed=seed)
    assert load_folder(tmp_path).leaks is None


def test_copies_between_the_parts_are_named(tmp_path: Path) -> None:
    """By other names, in another class, and as links."""
    for seed, part in enumerate(("train", "test")):
        write_classes(tmp_path / part, 10, seed=seed)
    train, test = tmp_path / "train", tmp_path / "test"
    shutil.copy(train / "cat" / "03.png", test / "cat" / "a.png")
    assert load_folder(tmp_path).leaks == (
        f"1 of the 21 test images are exact copies of training images ({test}/cat/a.png = {train}/cat/03.png):"
        " remove the copies from one of the two"
    )
    shutil.copy(train / "cat" / "04.png", test / "dog" / "b.png")
    (test / "dog" / "c.png").symlink_to("../../train/dog/05.png")
    shutil.copy(train / "dog" / "06.png", test / "dog" / "06.png")
    leaks = load_folder(tmp_path).leaks
    assert leaks is not None and leaks.startswith("4 of the 23 test images are exact copies of training images")
    assert f"{test}/dog/06.png = {train}/dog/06.png, {test}/dog/b.png = {train}/cat/04.png and 1 more" in leaks


def test_copies_in_the_validation_images(tmp_path: Path) -> None:
    for seed, part in enumerate(("train", "val", "test")):
        write_classes(tmp_path / part, 10, seed=seed)
    shutil.copy(tmp_path / "train" / "cat" / "00.png", tmp_path / "val" / "cat" / "a.png")
    shutil.copy(tmp_path / "val" / "dog" / "00.png", tmp_path / "test" / "dog" / "b.png")
    leaks = load_folder(tmp_path).leaks
    assert leaks is not None
    assert "1 of the 21 test images are exact copies of validation images" in leaks
    assert "1 of the 21 validation images are exact copies of training images" in leaks


def test_copies_that_a_split_made_here_parts(tmp_path: Path) -> None:
    """Every image is there twice: what is said is just how many test images the training images hold as well."""
    write_classes(tmp_path, 20)
    for file in list(tmp_path.glob("*/*.png")):
        shutil.copy(file, file.with_stem(f"copy of {file.stem}"))
    data = load_folder(tmp_path)
    trained_on = images_of(data.train) | images_of(data.validation)
    copied = sum(image.numpy().tobytes() in trained_on for image in data.test.images)
    assert copied > 3 and data.leaks is not None and data.leaks.startswith(f"{copied} of the 16 test images")
