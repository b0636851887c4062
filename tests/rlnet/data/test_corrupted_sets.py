"""The official corrupted sets: what is read of files like theirs, and what is said about unusable ones."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rlnet.data import DataConfig
from rlnet.data.batches import evaluation_batches
from rlnet.data.corrupted_sets import CIFAR10_CLASSES, CorruptedSet, official
from rlnet.data.corruptions import CORRUPTIONS
from rlnet.data.lazy import LazyImages

COUNT = 20  # images of each severity
LABELS = np.arange(COUNT) * 7 % 10
CIFAR, TINY = (3, 32, 32), (3, 64, 64)
WNIDS = ("n01", "n02")


def pixels(name: str, severity: int) -> np.ndarray:
    """The images of a corruption at a severity, (COUNT, 32, 32, 3)."""
    rng = np.random.default_rng([CORRUPTIONS.index(name) if name in CORRUPTIONS else 15, severity])
    return rng.integers(256, size=(COUNT, 32, 32, 3), dtype=np.uint8)


def cifar(root: Path, **settings: object) -> CorruptedSet:
    found = official(DataConfig("cifar10", str(root), **settings), CIFAR10_CLASSES, CIFAR)
    assert found is not None
    return found


def tiny(root: Path, classes: tuple[str, ...] = WNIDS, shape: tuple[int, int, int] = TINY) -> CorruptedSet:
    found = official(DataConfig("tiny-imagenet", str(root)), classes, shape)
    assert found is not None
    return found


@pytest.fixture
def cifar_c(tmp_path: Path) -> Path:
    """CIFAR-10-C of 20 images and the fifteen corruptions, and one extra one; returns its folder."""
    base = tmp_path / "CIFAR-10-C"
    base.mkdir()
    for name in (*CORRUPTIONS, "spatter"):
        np.save(base / f"{name}.npy", np.concatenate([pixels(name, severity) for severity in range(1, 6)]))
    np.save(base / "labels.npy", np.tile(LABELS, 5).astype(np.uint8))
    return base


@pytest.fixture
def tiny_c(tmp_path: Path) -> Path:
    """Tiny-ImageNet-C of 2 classes with 2 and 1 images, whose value tells class, image and severity; returns its folder."""
    base = tmp_path / "Tiny-ImageNet-C"
    for name in CORRUPTIONS:
        for severity in range(1, 6):
            for k, wnid in enumerate(WNIDS):
                part = base / name / str(severity) / wnid
                part.mkdir(parents=True)
                for i in range(2 - k):
                    cv2.imwrite(str(part / f"val_{i}.JPEG"), np.full((64, 64, 3), 100 * k + 50 * i + 5 * severity, np.uint8))
    return base


def test_no_files_no_set(tmp_path: Path) -> None:
    assert official(DataConfig("cifar10", str(tmp_path)), CIFAR10_CLASSES, CIFAR) is None
    assert official(DataConfig("digits", str(tmp_path)), tuple("0123456789"), CIFAR) is None


def test_cifar_c_gives_each_corruption_at_each_severity(cifar_c: Path) -> None:
    found = cifar(cifar_c.parent)
    assert found.corruptions == (*CORRUPTIONS, "spatter")
    for name in found.corruptions:
        for severity in range(1, 6):
            images = found.image_set(name, severity)
            assert images.images.shape == (COUNT, 3, 32, 32)
            assert images.labels.tolist() == LABELS.tolist()
            assert np.array_equal(images.images.numpy(), pixels(name, severity).transpose(0, 3, 1, 2))


def test_cifar_c_in_batches_and_parts(cifar_c: Path) -> None:
    images = cifar(cifar_c.parent).image_set("fog", 4)
    expected = pixels("fog", 4).transpose(0, 3, 1, 2)
    batches = list(evaluation_batches(images, 8))
    assert [len(x) for x, _, _ in batches] == [8, 8, 4]
    assert torch.equal((torch.cat([x for x, _, _ in batches]) * 255).round(), torch.from_numpy(expected).float())
    part = images.subset(torch.tensor([5, 2]))
    assert np.array_equal(part.images.numpy(), expected[[5, 2]]) and part.labels.tolist() == LABELS[[5, 2]].tolist()


def test_cifar_c_is_mapped_and_never_written(cifar_c: Path) -> None:
    """A file changed on the disk shows in images that were not read yet; changed images do not show in the file."""
    images = cifar(cifar_c.parent).image_set("fog", 1).images
    with open(cifar_c / "fog.npy", "r+b") as file:
        file.seek(-5 * COUNT * 32 * 32 * 3, os.SEEK_END)
        file.write(bytes([1, 2, 3]))
    assert images[0, :, 0, 0].tolist() == [1, 2, 3]
    images[0] = 9
    assert cifar(cifar_c.parent).image_set("fog", 1).images[0, :, 0, 0].tolist() == [1, 2, 3]


def test_test_limit_is_drawn_as_from_the_clean_set(cifar_c: Path) -> None:
    limited = cifar(cifar_c.parent, test_limit=10)
    first, other = (limited.image_set(name, severity) for name, severity in (("fog", 1), ("snow", 5)))
    assert sorted(first.labels.tolist()) == list(range(10)) and torch.equal(first.labels, other.labels)
    positions = [np.flatnonzero((pixels("fog", 1) == image).all((1, 2, 3)))[0] for image in first.images.movedim(1, 3).numpy()]
    assert LABELS[positions].tolist() == first.labels.tolist()
    assert limited.key("fog", 1) != cifar(cifar_c.parent).key("fog", 1)
    assert np.array_equal(other.images.movedim(1, 3).numpy(), pixels("snow", 5)[positions])


def test_cifar_c_for_the_same_classes_in_a_folder(cifar_c: Path) -> None:
    config = DataConfig("folder", "elsewhere")
    found = official(config, CIFAR10_CLASSES, CIFAR, cifar_c)
    assert found is not None and len(found.image_set("jpeg_compression", 5)) == COUNT
    for other in (CIFAR10_CLASSES[::-1], ("cat", "dog"), tuple("0123456789")):
        with pytest.raises(ValueError, match=r"does not name them.*airplane.*folder has"):
            official(config, other, CIFAR, cifar_c)
    with pytest.raises(ValueError, match="missing is not a folder"):
        official(config, CIFAR10_CLASSES, CIFAR, cifar_c / "missing")


def test_cifar100_c_has_its_own_folder(cifar_c: Path) -> None:
    cifar_c.rename(cifar_c.with_name("CIFAR-100-C"))
    with pytest.raises(ValueError, match="10 classes from 0 to 9: the data set has 100, from 0 to 99"):
        official(DataConfig("cifar100", str(cifar_c.parent)), tuple(map(str, range(100))), CIFAR)


def test_tiny_imagenet_c_is_decoded_on_demand(tiny_c: Path) -> None:
    found = tiny(tiny_c.parent)
    assert found.corruptions == CORRUPTIONS
    images = found.image_set("snow", 3)
    assert isinstance(images.images, LazyImages) and images.images.shape == (3, 3, 64, 64)
    assert images.labels.tolist() == [0, 0, 1]
    assert images.images[:].float().mean((1, 2, 3)).tolist() == pytest.approx([15, 65, 115], abs=1)
    assert images.subset(torch.tensor([2])).images[:].float().mean() == pytest.approx(115, abs=1)
    assert not (tiny_c / ".cache").exists()


def test_tiny_imagenet_c_for_the_same_classes_in_a_folder(tiny_c: Path) -> None:
    found = official(DataConfig("folder", "elsewhere"), WNIDS, TINY, tiny_c)
    assert found is not None and len(found.image_set("fog", 1)) == 3


@pytest.mark.parametrize("layout", ["cifar_c", "tiny_c"])
def test_the_key_changes_with_the_files(layout: str, request: pytest.FixtureRequest) -> None:
    base = request.getfixturevalue(layout)
    find = cifar if layout == "cifar_c" else tiny
    keys = [find(base.parent).key(name, severity) for name in ("fog", "snow") for severity in (1, 2)]
    assert len(set(keys)) == 4 and keys == [find(base.parent).key(n, s) for n in ("fog", "snow") for s in (1, 2)]
    file = base / "fog.npy" if layout == "cifar_c" else base / "fog" / "1" / "n02" / "val_0.JPEG"
    os.utime(file, ns=(0, 0))
    assert find(base.parent).key("fog", 1) == keys[0]
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    changed = find(base.parent)
    assert changed.key("fog", 1) != keys[0] and changed.key("snow", 1) == keys[2]


@pytest.mark.parametrize(
    ("name", "severity", "match"),
    [
        ("rain", 1, "no corruption 'rain'; choose one of gaussian_noise"),
        ("saturate", 1, "no corruption 'saturate'"),
        ("fog", 6, "is 6"),
    ],
)
def test_unknown_corruption_or_severity(cifar_c: Path, name: str, severity: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        cifar(cifar_c.parent).image_set(name, severity)


def save(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda base: np.save(base / name, array, allow_pickle=True)


def cut_off(base: Path) -> None:
    content = (base / "fog.npy").read_bytes()
    (base / "fog.npy").write_bytes(content[: len(content) // 2])


IMAGES = np.zeros((5 * COUNT, 32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda base: (base / "fog.npy").unlink(), "fog.npy missing: unpack"),
        (lambda base: (base / "labels.npy").unlink(), "labels.npy is missing: unpack"),
        (save("fog.npy", IMAGES[1:]), r"fog.npy has uint8 of shape \(99, 32, 32, 3\): it must be uint8 \(100, 32, 32, 3\)"),
        (save("fog.npy", IMAGES.transpose(0, 3, 1, 2)), r"shape \(100, 3, 32, 32\)"),
        (save("fog.npy", IMAGES[:, :16]), r"shape \(100, 16, 32, 3\)"),
        (save("fog.npy", IMAGES.astype(np.float32)), r"fog.npy has float32 of shape \(100, 32, 32, 3\)"),
        (save("spatter.npy", IMAGES[1:]), "spatter.npy has uint8 of shape"),
        (save("fog.npy", np.array([{}], dtype=object)), "fog.npy is no npy file of numbers, or is cut off"),
        (cut_off, "fog.npy is no npy file of numbers, or is cut off"),
        (lambda base: (base / "fog.npy").write_bytes(b""), "fog.npy is no npy file"),
        (lambda base: (base / "fog.npy").write_bytes(b"\x80\x04K\x01."), "fog.npy is no npy file"),
        (save("labels.npy", np.tile(LABELS, 5)[:-1]), r"labels.npy has int64 of shape \(99,\): it must be integers \(5 n,\)"),
        (save("labels.npy", np.tile(LABELS, 5).astype(float)), "labels.npy has float64"),
        (save("labels.npy", np.tile(LABELS, (5, 1))), r"labels.npy has int64 of shape \(5, 20\)"),
        (save("labels.npy", np.tile(LABELS, 6)[:115]), "labels.npy: its five parts"),
        (save("labels.npy", np.tile(LABELS[:10], 5)), "gaussian_noise.npy has uint8 .*labels.npy has 50 labels"),
        (
            save("labels.npy", np.tile(LABELS + 1, 5)),
            "labels.npy has 10 classes from 1 to 10: the data set has 10, from 0 to 9",
        ),
        (save("labels.npy", np.tile(LABELS - 1, 5)), "labels.npy has 10 classes from -1 to 8"),
        (save("labels.npy", np.array([{}], dtype=object)), "labels.npy is no npy file of numbers"),
    ],
)
def test_unusable_cifar_c(cifar_c: Path, spoil: Callable[[Path], object], match: str) -> None:
    spoil(cifar_c)
    with pytest.raises(ValueError, match=match):
        cifar(cifar_c.parent)


def test_images_of_another_size(cifar_c: Path, tiny_c: Path) -> None:
    with pytest.raises(ValueError, match=r"must be uint8 .100, 64, 64, 3.*images have 64x64 pixels"):
        official(DataConfig("folder"), CIFAR10_CLASSES, TINY, cifar_c)
    with pytest.raises(ValueError, match=r"val_0.JPEG has 64x64 pixels, but the data set's images have 32x32"):
        tiny(tiny_c.parent, shape=CIFAR).image_set("fog", 1)


def test_images_of_other_classes(tiny_c: Path) -> None:
    with pytest.raises(ValueError, match=r"gaussian_noise.1 has 2 classes and the data set 2, which differ in .'n02', 'n03'."):
        tiny(tiny_c.parent, classes=("n01", "n03"))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda part: part.rename(part.with_name("away")), "fog.5 is missing: unpack"),
        (lambda part: part.parent.rename(part.parent.with_name("away")), "fog missing: unpack"),
        (lambda part: (part / "n03").mkdir(), "3 classes and the data set 2, which differ in .'n03'."),
        (lambda part: (part / "n02" / "val_0.JPEG").unlink(), "n02 has no images"),
        (lambda part: (part / "n01" / "val_0.JPEG").write_text("no image"), "val_0.JPEG is not an image"),
    ],
)
def test_unusable_tiny_imagenet_c(tiny_c: Path, spoil: Callable[[Path], object], match: str) -> None:
    spoil(tiny_c / "fog" / "5")
    with pytest.raises(ValueError, match=match):
        tiny(tiny_c.parent).image_set("fog", 5)
