"""Every data set: what is read, how it is split, and what is said about unusable files and settings."""

import pickle
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
from rlnet.data.splits import balanced_quota, proportional_quota

CIFAR_JPEG_ZIP = Path(__file__).parents[4] / "shared" / "data" / "cifar10-jpeg-test.zip"


def pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """A folder of 2 classes with 20 images each, 8 high and 12 wide, as PNG (lossless)."""
    for k, name in enumerate(("cat", "dog")):
        for i in range(20):
            write(tmp_path / name / f"{i:02}.png", pixels(100 * k + i, 8, 12, 3))
    return tmp_path


def load_folder(root: Path, seed: int = 0, **settings: object) -> Dataset:
    return load(DataConfig("folder", str(root), **({"validation": 0.25} | settings)), seed)


def images_of(part: object) -> set[bytes]:
    return {image.numpy().tobytes() for image in part.images[:]}


def class_counts(labels: torch.Tensor) -> list[int]:
    return labels.bincount().tolist()


# Splits


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


# Folders


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


def test_cache_is_used_renewed_and_repaired(classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    decode_all = lazy_module.decode_all
    monkeypatch.setattr(lazy_module, "decode_all", lambda lazy: decoded.append(len(lazy)) or decode_all(lazy))
    first = load_folder(classes)
    assert torch.equal(load_folder(classes).train.images, first.train.images) and decoded == [40]
    (file,) = (classes / ".cache").iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (bytes(content), bytes(content[:500]), b""):
        file.write_bytes(damaged)
        assert torch.equal(load_folder(classes).train.images, first.train.images)
    assert decoded == [40] * 4
    assert len(list((classes / ".cache").iterdir())) == 1
    write(classes / "cat" / "new.png", pixels(1, 8, 12, 3))
    load_folder(classes)
    assert decoded[-1] == 41


def test_nothing_is_cached_where_nothing_can_be_written(classes: Path) -> None:
    (classes / ".cache").write_text("a file where the cache's folder would be")
    assert len(load_folder(classes).train) == 24


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
        (lambda root: write(root / "dog" / "07.png", pixels(0, 8, 12, 4)), "07.png is RGBA, but .*00.png is RGB"),
        (lambda root: write(root / "cat" / "00.png", pixels(0, 8, 12, 4)), "00.png has an alpha channel"),
        (lambda root: write(root / "cat" / "03.png", np.zeros((8, 12, 3), np.uint16)), "03.png has uint16 pixels"),
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


# Official files


@pytest.fixture
def no_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cifar", "svhn"):
        monkeypatch.setattr(f"torchvision.datasets.{module}.check_integrity", lambda path, md5=None: Path(path).is_file())


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **settings: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def write_cifar(root: Path, classes: int) -> np.ndarray:
    """The official files with 10 training and 2 test images a class; returns the training images (N, 3, 32, 32)."""
    ten = classes == 10
    base = root / ("cifar-10-batches-py" if ten else "cifar-100-python")
    base.mkdir(parents=True)
    labels, names = ("labels", "label_names") if ten else ("fine_labels", "fine_label_names")
    train = pixels(0, 10 * classes, 3 * 32 * 32)
    parts = np.split(train, 5) if ten else [train]
    files = [f"data_batch_{i}" for i in range(1, 6)] if ten else ["train"]
    contents = dict(zip(files, parts, strict=True)) | {"test_batch" if ten else "test": pixels(1, 2 * classes, 3072)}
    for file, data in contents.items():
        wrapped = {"data": data, labels: [i % classes for i in range(len(data))]}
        (base / file).write_bytes(pickle.dumps(wrapped))
    meta = {names: [f"class{k}" for k in range(classes)]}
    (base / ("batches.meta" if ten else "meta")).write_bytes(pickle.dumps(meta))
    return train.reshape(-1, 3, 32, 32)


@pytest.mark.usefixtures("no_checksums", "no_network")
def test_cifar10_reads_the_official_files(tmp_path: Path) -> None:
    train = write_cifar(tmp_path, 10)
    data = load(DataConfig("cifar10", str(tmp_path), validation=0.25), seed=0)
    assert data.mean == (0.4914, 0.4822, 0.4465) and data.std == (0.2023, 0.1994, 0.2010)
    assert data.flip and data.crop_padding == 4 and data.classes[3] == "class3" and len(data.test) == 20
    assert images_of(data.train) | images_of(data.validation) == {image.tobytes() for image in train}


@pytest.mark.usefixtures("no_checksums", "no_network")
def test_cifar100_reads_the_official_files(tmp_path: Path) -> None:
    write_cifar(tmp_path, 100)
    data = load(DataConfig("cifar100", str(tmp_path), validation=0.25), seed=0)
    assert len(data.classes) == 100 and len(data.test) == 200 and data.mean == (0.5071, 0.4867, 0.4408)


@pytest.mark.usefixtures("no_checksums", "no_network")
def test_svhn_reads_the_official_files(tmp_path: Path) -> None:
    from scipy.io import savemat

    for split, count in (("train", 40), ("test", 20)):
        contents = {"X": pixels(count, 32, 32, 3, count), "y": np.arange(count)[:, None] % 10 + 1}
        savemat(tmp_path / f"{split}_32x32.mat", contents)
    data = load(DataConfig("svhn", str(tmp_path), validation=0.25), seed=0)
    assert data.classes == tuple("0123456789") and not data.flip
    assert data.test.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] * 2
    assert np.array_equal(data.test.images, pixels(20, 32, 32, 3, 20).transpose(3, 2, 0, 1))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn"])
def test_absent_files_that_cannot_be_fetched(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"is absent and http.* cannot be fetched .*: fetch it elsewhere"):
        load(DataConfig(name, str(tmp_path)), seed=0)


@pytest.mark.usefixtures("no_network")
def test_damaged_files_are_not_replaced(tmp_path: Path) -> None:
    write_cifar(tmp_path, 10)  # not the official checksums
    with pytest.raises(ValueError, match=r"is damaged .*: remove it"):
        load(DataConfig("cifar10", str(tmp_path)), seed=0)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A Tiny-ImageNet of 2 classes; returns its folder tiny-imagenet-200. One training image is gray, as some are."""
    base = tmp_path / "tiny-imagenet-200"
    lines = []
    for k, wnid in enumerate(("n01", "n02")):
        for i in range(10):
            write(base / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", pixels(i, 64, 64, 3) if i else pixels(k, 64, 64))
        (base / "train" / wnid / f"{wnid}_boxes.txt").write_text("n01_0.JPEG\t0\t0\t63\t63\n")
        for i in range(3):
            write(base / "val" / "images" / f"val_{i}{k}.JPEG", np.full((64, 64, 3), 100 * k + i, dtype=np.uint8))
            lines.append(f"val_{i}{k}.JPEG\t{wnid}\t0\t0\t63\t63")
    (base / "val" / "val_annotations.txt").write_text("\n".join(reversed(lines)) + "\n")
    return base


def test_tiny_imagenet_reads_its_val_as_test_set(tiny: Path) -> None:
    data = load(DataConfig("tiny-imagenet", str(tiny.parent)), seed=0)
    assert data.classes == ("n01", "n02") and data.image_shape == (3, 64, 64) and data.crop_padding == 8
    assert class_counts(data.train.labels) == [9, 9] and class_counts(data.test.labels) == [3, 3]
    assert torch.equal(data.test.images.float().mean((1, 2, 3)) > 50, data.test.labels == 1)


def test_tiny_imagenet_unpacks_the_official_zip(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "elsewhere"
    root.mkdir()
    with zipfile.ZipFile(root / "tiny-imagenet-200.zip", "w") as archive:
        for file in tiny.rglob("*"):
            archive.write(file, file.relative_to(tiny.parent))
    config = DataConfig("tiny-imagenet", str(root))
    unpacked = DataConfig("tiny-imagenet", str(tiny.parent))
    assert torch.equal(load(config, 0).train.images, load(unpacked, 0).train.images)
    assert sorted(entry.name for entry in root.iterdir()) == ["tiny-imagenet-200", "tiny-imagenet-200.zip"]


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda base: base.rename(base.with_name("away")), "neither .* exists: fetch http"),
        (lambda base: (base / "val" / "val_annotations.txt").unlink(), "val_annotations.txt is missing"),
        (lambda base: (base / "val" / "val_annotations.txt").write_text("val_00.JPEG\tn03\n"), "for the line"),
        (lambda base: (base / "val" / "images" / "val_00.JPEG").unlink(), "for the line 'val_00.JPEG"),
        (lambda base: (base / "val" / "val_annotations.txt").write_text(""), "lists no images"),
        (lambda base: (base / "train" / "n03").mkdir(), "without images: .'n03'."),
    ],
)
def test_unusable_tiny_imagenet(tiny: Path, spoil: object, match: str) -> None:
    spoil(tiny)
    with pytest.raises(ValueError, match=match):
        load(DataConfig("tiny-imagenet", str(tiny.parent)), seed=0)


def test_damaged_tiny_imagenet_zip(tmp_path: Path) -> None:
    (tmp_path / "tiny-imagenet-200.zip").write_bytes(b"PK no zip")
    with pytest.raises(ValueError, match="cannot be unpacked"):
        load(DataConfig("tiny-imagenet", str(tmp_path)), seed=0)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not CIFAR_JPEG_ZIP.exists(), reason="CIFAR-10 as JPEG is not there")
def test_cifar10_as_jpeg(tmp_path: Path) -> None:
    with zipfile.ZipFile(CIFAR_JPEG_ZIP) as archive:
        chosen = [name for name in archive.namelist() if name.endswith("0.jpg")]
        archive.extractall(tmp_path, chosen)
    data = load_folder(tmp_path / "test")
    assert data.classes[0] == "airplane" and data.classes[-1] == "truck" and data.image_shape == (3, 32, 32)
    assert Counter(data.test.labels.tolist()) == dict.fromkeys(range(10), 20)
    assert np.allclose(data.mean, (0.4914, 0.4822, 0.4465), atol=0.03)
