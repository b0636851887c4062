"""Folders of images: what is read and split of them, decoded on demand or not, and what is said about unusable ones."""

import zipfile
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rlnet.data import DataConfig, Dataset, load
from rlnet.data import lazy as lazy_module
from rlnet.data.lazy import LazyImages

from .image_files import class_counts, images_of, pixels, write

CIFAR_JPEG_ZIP = Path(__file__).parents[4] / "shared" / "data" / "cifar10-jpeg-test.zip"


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """A folder of 2 classes with 20 images each, 8 high and 12 wide, as PNG (lossless)."""
    for k, name in enumerate(("cat", "dog")):
        for i in range(20):
            write(tmp_path / name / f"{i:02}.png", pixels(100 * k + i, 8, 12, 3))
    return tmp_path


def load_folder(root: Path, seed: int = 0, **settings: object) -> Dataset:
    return load(DataConfig("folder", str(root), **({"validation": 0.25} | settings)), seed)


def test_folder_without_a_test_part(classes: Path) -> None:
    first, other = load_folder(classes, 0), load_folder(classes, 1)
    assert first.classes == ("cat", "dog") and first.image_shape == (3, 8, 12) and first.flip
    assert [class_counts(p.labels) for p in (first.train, first.validation, first.test)] == [[12, 12], [4, 4], [4, 4]]
    assert torch.equal(first.test.images, other.test.images)
    everything = [images_of(part) for part in (first.train, first.validation, first.test)]
    assert len(set.union(*everything)) == 40
    files = {cv2.imread(str(f))[..., ::-1].transpose(2, 0, 1).tobytes() for f in classes.glob("*/*.png")}
    assert set.union(*everything) == files


@pytest.mark.parametrize("name", ["test", "val"])
def test_folder_pair(tmp_path: Path, name: str) -> None:
    for part, count in (("train", 10), (name, 3)):
        for k in range(2):
            for i in range(count):
                write(tmp_path / part / f"class{k}" / f"{i}.png", np.full((8, 8, 3), 10 * i + k, dtype=np.uint8))
    data = load_folder(tmp_path)
    assert class_counts(data.test.labels) == [3, 3] and len(data.train) + len(data.validation) == 20
    assert data.test.images[:, 0, 0, 0].tolist() == [0, 10, 20, 1, 11, 21]


def test_a_class_may_be_called_train(classes: Path) -> None:
    (classes / "dog").rename(classes / "train")
    assert load_folder(classes).classes == ("cat", "train")


def test_image_size_resizes_mixed_sizes(classes: Path) -> None:
    write(classes / "cat" / "big.png", pixels(0, 40, 30, 3))
    assert load_folder(classes, image_size=16).image_shape == (3, 16, 16)


def test_gray_only_becomes_rgb(tmp_path: Path) -> None:
    for name in "ab":
        for i in range(10):
            write(tmp_path / name / f"{i}.png", pixels(i, 8, 8))
    images = load_folder(tmp_path).train.images
    assert images.shape[1] == 3 and torch.equal(images[:, 0], images[:, 2])


def test_decoded_on_demand_when_memory_is_short(classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = load_folder(classes)
    monkeypatch.setattr(lazy_module, "available_bytes", lambda: 2 * 40 * 3 * 8 * 12 - 1)
    on_demand = load_folder(classes)
    assert isinstance(on_demand.train.images, LazyImages) and isinstance(in_memory.train.images, torch.Tensor)
    assert on_demand.mean == in_memory.mean and on_demand.std == in_memory.std
    for a, b in ((on_demand.train, in_memory.train), (on_demand.test, in_memory.test)):
        indices = torch.tensor([3, 0, 3])
        assert a.images.shape == tuple(b.images.shape) and torch.equal(a.images[indices], b.images[indices])
        assert torch.equal(a.labels, b.labels)


def overwrite_with_text(root: Path) -> None:
    (root / "dog" / "07.png").write_text("no image")


def truncate(root: Path) -> None:
    file = root / "dog" / "07.png"
    jpeg = cv2.imencode(".jpg", pixels(0, 8, 12, 3))[1].tobytes()
    file.write_bytes(jpeg[: len(jpeg) // 2])


def remove_dogs(root: Path) -> None:
    for file in (root / "dog").iterdir():
        file.unlink()


def keep_two_dogs(root: Path) -> None:
    for file in sorted((root / "dog").iterdir())[2:]:
        file.unlink()


def one_value(root: Path) -> None:
    for file in root.glob("*/*.png"):
        write(file, np.full((8, 12, 3), 7, dtype=np.uint8))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (overwrite_with_text, "07.png is not an image"),
        (truncate, "07.png is not an image, or is damaged"),
        (lambda root: (root / "dog" / "07.png").write_bytes(b""), "07.png is not an image"),
        (lambda root: write(root / "dog" / "07.png", pixels(0, 9, 12, 3)), "07.png has 12x9 pixels.*set image_size"),
        (lambda root: write(root / "dog" / "07.png", pixels(0, 8, 12)), "07.png is gray, but .*00.png is RGB"),
        (lambda root: write(root / "dog" / "07.png", pixels(0, 8, 12, 4)), "07.png is RGBA, with an alpha channel: convert it"),
        (lambda root: write(root / "cat" / "00.png", pixels(0, 8, 12, 4)), "00.png is RGBA, with an alpha channel"),
        (
            lambda root: write(root / "cat" / "03.png", np.zeros((8, 12, 3), np.uint16)),
            "03.png has 16 bits a channel: convert it to 8",
        ),
        (remove_dogs, "dog has no images"),
        (keep_two_dogs, "class 'dog': both parts need at least one"),
        (lambda root: (remove_dogs(root), (root / "dog").rmdir()), "has 1 class folders"),
        (lambda root: (root / "train" / "cat").mkdir(parents=True), "neither test/ nor val/"),
        (one_value, "one value in all training images"),
    ],
)
def test_unusable_folders(classes: Path, spoil: object, match: str) -> None:
    spoil(classes)
    with pytest.raises(ValueError, match=match):
        load_folder(classes)


def test_missing_and_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing is not a folder: set root"):
        load_folder(tmp_path / "missing")
    with pytest.raises(ValueError, match="has 0 class folders"):
        load_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "shape", "match"),
    [
        ("other", (8, 8, 3), "differ in .'class1', 'other'."),
        ("class1", (8, 9, 3), "set image_size"),
        ("class1", (8, 8), "is gray"),
    ],
)
def test_parts_that_do_not_match(tmp_path: Path, name: str, shape: tuple[int, ...], match: str) -> None:
    for i in range(5):
        for folder in ("train/class0", "train/class1", "test/class0"):
            write(tmp_path / folder / f"{i}.png", pixels(i, 8, 8, 3))
        write(tmp_path / "test" / name / f"{i}.png", pixels(i, *shape))
    with pytest.raises(ValueError, match=match):
        load_folder(tmp_path)


@pytest.mark.skipif(not CIFAR_JPEG_ZIP.exists(), reason="CIFAR-10 as JPEG is not there")
def test_cifar10_as_jpeg(tmp_path: Path) -> None:
    with zipfile.ZipFile(CIFAR_JPEG_ZIP) as archive:
        chosen = [name for name in archive.namelist() if name.endswith("0.jpg")]
        archive.extractall(tmp_path, chosen)
    data = load_folder(tmp_path / "test")
    assert data.classes[0] == "airplane" and data.classes[-1] == "truck" and data.image_shape == (3, 32, 32)
    assert Counter(data.test.labels.tolist()) == dict.fromkeys(range(10), 20)
    assert np.allclose(data.mean, (0.4914, 0.4822, 0.4465), atol=0.03)
