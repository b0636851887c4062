"""The official files of CIFAR, SVHN and Tiny ImageNet: what is read of them, and what is said about absent or damaged ones."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from rlnet.data import DataConfig, load

from .image_files import class_counts, images_of, pixels, write


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
