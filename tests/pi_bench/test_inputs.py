"""Images from files: right values in the right order, and every fault named with its remedy."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pi_bench import inputs

SHAPE = (3, 4, 5)
PIXELS = np.random.default_rng(0).integers(0, 256, (6, *SHAPE), np.uint8)


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def picture(path: Path, pixels: np.ndarray) -> None:
    """pixels: uint8 (C, H, W)."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels.transpose(1, 2, 0) if len(pixels) == 3 else pixels[0]).save(path)


@pytest.mark.parametrize("kind", ["uint8", "float32", "float64", "channels last"])
def test_npz(kind: str, tmp_path: Path) -> None:
    expected = PIXELS.astype(np.float32) / 255
    given = {"uint8": PIXELS, "channels last": PIXELS.transpose(0, 2, 3, 1)}
    path = save(tmp_path / "a.npz", images=given[kind] if kind in given else expected.astype(kind), labels=np.arange(6) % 3)
    for shape in (SHAPE, None):
        found = inputs.load(path, shape=shape)
        assert (found.images.dtype, found.labels.dtype) == (np.float32, np.int64)
        np.testing.assert_array_equal(found.images, expected)
        np.testing.assert_array_equal(found.labels, [0, 1, 2, 0, 1, 2])
    assert len(found) == 6
    assert len(found.first(2)) == len(found.first(2).labels) == 2


def test_no_labels(tmp_path: Path) -> None:
    found = inputs.load(save(tmp_path / "a.npz", images=PIXELS), shape=SHAPE)
    assert found.labels is None
    assert found.first(2).labels is None


def test_channels_first_where_both_would_do(tmp_path: Path) -> None:
    """3x3 pixels of 3 channels."""
    images = PIXELS[..., :3, :3]
    for shape in ((3, 3, 3), None):
        found = inputs.load(save(tmp_path / "a.npz", images=images), shape=shape).images
        np.testing.assert_array_equal(found, images.astype(np.float32) / 255)


FAULTS = {
    "another name": ({"x": PIXELS}, "holds x, no array called 'images'; save it with numpy.savez"),
    "three dimensions": ({"images": PIXELS[0]}, r"images have shape \(3, 4, 5\); give \(N, C, H, W\)"),
    "no images": ({"images": PIXELS[:0]}, "give"),
    "integers": ({"images": PIXELS.astype(np.int32)}, "images are int32; give uint8"),
    "yes or no": ({"images": PIXELS > 100}, "images are bool; give uint8"),
    "just above": ({"images": np.full((1, *SHAPE), 1.0001)}, "range from 1.0001 to 1.0001; give floats of 0 to 1"),
    "text": ({"images": np.full((1, 3, 4, 5), "a")}, "images are <U1; give uint8"),
    "not scaled": (
        {"images": PIXELS.astype(np.float32)},
        "from 0 to 255; give floats of 0 to 1, not normalised, or uint8",
    ),
    "normalised": ({"images": PIXELS / 255 - 0.5}, "range from -0.5 to 0.5"),
    "NaN": ({"images": np.full((1, *SHAPE), np.nan)}, "hold NaN or infinite values"),
    "another size": (
        {"images": PIXELS[..., :4]},
        r"\(3, 4, 4\), the network takes \(C, H, W\) = \(3, 4, 5\); resize them",
    ),
    "grey": ({"images": PIXELS[:, :1]}, r"shape \(1, 4, 5\)"),
    "few labels": ({"images": PIXELS, "labels": np.arange(5)}, r"labels are int64 of shape \(5,\); give 6 whole numbers"),
    "float labels": ({"images": PIXELS, "labels": np.arange(6.0)}, "labels are float64"),
    "text labels": ({"images": PIXELS, "labels": np.array(list("012345"))}, "labels are <U1 of shape"),
    "yes-or-no labels": ({"images": PIXELS, "labels": np.arange(6) > 2}, "labels are bool of shape"),
    "labels in rows": ({"images": PIXELS, "labels": np.eye(6, dtype=np.int64)}, r"labels are int64 of shape \(6, 6\)"),
    "negative label": ({"images": PIXELS, "labels": np.arange(6) - 1}, "there is a label -1"),
    "huge label": ({"images": PIXELS, "labels": np.full(6, 2**63, np.uint64)}, "there is a label 9223372036854775808"),
    "objects": ({"images": np.array([{}, []], object)}, "not a .npz file of plain arrays"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_npz(name: str, tmp_path: Path) -> None:
    arrays, words = FAULTS[name]
    path = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=words) as caught:
        inputs.load(path, shape=SHAPE)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04" + bytes(50), b"\x80\x04\x95"])
def test_damaged_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"not a \.npz file of plain arrays, or damaged"):
        inputs.load(path)


def test_truncated_and_missing(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", images=PIXELS)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"not a \.npz file of plain arrays, or damaged"):
        inputs.load(path)
    with pytest.raises(FileNotFoundError):
        inputs.load(tmp_path / "missing.npz")
    np.save(tmp_path / "b.npy", PIXELS)
    with pytest.raises(ValueError, match=r"not a \.npz file"):
        inputs.load(tmp_path / "b.npy")


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "touched",))

    path = tmp_path / "a.npz"
    np.savez(path, images=np.array([Evil()], object))
    with pytest.raises(ValueError, match=r"not a \.npz file of plain arrays"):
        inputs.load(path)
    assert not (tmp_path / "touched").exists()


def test_folder_of_classes(tmp_path: Path) -> None:
    """Classes and pictures in sorted order; other files and hidden folders are none."""
    for i, name in enumerate(["dog/1.png", "cat/2.png", "cat/1.png", "bird/0.png"]):
        picture(tmp_path / name, PIXELS[i])
    (tmp_path / "cat/readme.txt").write_text("no picture")
    (tmp_path / ".cache").mkdir()
    found = inputs.load(tmp_path, shape=SHAPE)
    np.testing.assert_array_equal(found.images, PIXELS[[3, 2, 1, 0]].astype(np.float32) / 255)
    np.testing.assert_array_equal(found.labels, [0, 1, 1, 2])


def test_flat_folder_and_labels_beside(tmp_path: Path) -> None:
    for i in (1, 0):
        picture(tmp_path / "pictures" / f"{i}.png", PIXELS[i])
    found = inputs.load(tmp_path / "pictures")
    np.testing.assert_array_equal(found.images, PIXELS[:2].astype(np.float32) / 255)
    assert found.labels is None
    (tmp_path / "l.txt").write_text("7\n3\n")
    np.save(tmp_path / "l.npy", np.array([7, 3], np.uint8))
    np.savez(tmp_path / "l.npz", labels=np.array([7, 3]))
    for name in ("l.txt", "l.npy", "l.npz"):
        labels = inputs.load(tmp_path / "pictures", tmp_path / name).labels
        assert labels.tolist() == [7, 3]
        assert labels.dtype == np.int64


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("l.txt", b"1\ntwo\n", "no file of labels"),
        ("l.txt", b"\xff\xfe", "no file of labels"),
        ("l.npy", b"hello", "no file of labels"),
        ("l.txt", b"1\n", "give 6 whole numbers"),
        ("l.npz", b"hello", r"not a \.npz file"),
    ],
)
def test_faults_of_label_files(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", images=PIXELS)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        inputs.load(path, tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_grey_and_colour(tmp_path: Path) -> None:
    """A network of one channel gets grey pictures; without a shape they are RGB."""
    picture(tmp_path / "0.png", PIXELS[0, :1])
    np.testing.assert_array_equal(inputs.load(tmp_path, shape=(1, 4, 5)).images, PIXELS[:1, :1].astype(np.float32) / 255)
    assert inputs.load(tmp_path).images.shape == (1, 3, 4, 5)


def test_faults_of_folders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no pictures"):
        inputs.load(tmp_path)
    picture(tmp_path / "0.png", PIXELS[0])
    with pytest.raises(ValueError, match=r"0\.png has 4 x 5 pixels, the network takes 8 x 8; resize it"):
        inputs.load(tmp_path, shape=(3, 8, 8))
    picture(tmp_path / "1.png", PIXELS[0, :, :2])
    with pytest.raises(ValueError, match="pictures have different shapes"):
        inputs.load(tmp_path)
    (tmp_path / "1.png").write_bytes((tmp_path / "0.png").read_bytes()[:50])
    with pytest.raises(ValueError, match=r"1\.png is no picture, or damaged"):
        inputs.load(tmp_path)
    (tmp_path / "1.png").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"1\.png is no picture, or damaged"):
        inputs.load(tmp_path)


def test_a_picture_of_more_than_eight_bits_is_not_cut_off(tmp_path: Path) -> None:
    """Pillow would make 255 of everything above it."""
    for name, pixels in (("deep", PIXELS[0, 0].astype(np.uint16) * 200), ("float", PIXELS[0, 0].astype(np.float32))):
        file = tmp_path / f"{name}.tiff"
        Image.fromarray(pixels).save(file)
        file.rename(file.with_suffix(".png"))
        with pytest.raises(ValueError, match=rf"{name}\.png has more than 8 bits a channel"):
            inputs.load(tmp_path, shape=(1, 4, 5))
        file.with_suffix(".png").unlink()


def test_labels_that_a_network_has_no_class_for(tmp_path: Path) -> None:
    """The last class is one less than their number; without labels nothing is wrong."""
    path = save(tmp_path / "a.npz", images=PIXELS, labels=np.array([0, 1, 2, 0, 4, 1]))
    found = inputs.load(path)
    found.check_classes(5, path)
    with pytest.raises(ValueError, match=r"a\.npz: there is a label 4, and the network has 4 classes, 0 to 3"):
        found.check_classes(4, path)
    found.first(4).check_classes(4, path)
    inputs.Images(found.images).check_classes(1, path)


def test_the_digest_is_of_contents() -> None:
    """Of shape and values, whatever holds them; another pixel, order or shape is another one."""
    given = PIXELS.astype(np.float32) / 255
    digest = inputs.Images(given).sha256
    other = np.asfortranarray(given), given.astype(">f4"), given.copy()
    assert {inputs.Images(images).sha256 for images in other} == {digest}
    changed = given.copy()
    changed[5, 2, 3, 4] += 2**-20
    for images in (changed, given[::-1], given.reshape(6, 3, 5, 4), given[:5]):
        assert inputs.Images(images).sha256 != digest
    assert inputs.Images(given, np.arange(6)).sha256 == digest


def test_random_images() -> None:
    images = inputs.random_images(50, SHAPE, 3)
    assert (images.dtype, images.shape) == (np.float32, (50, *SHAPE))
    assert 0 <= images.min() < 0.01 and 0.99 < images.max() <= 1
    np.testing.assert_array_equal(images, inputs.random_images(50, SHAPE, 3))
    assert not np.array_equal(images, inputs.random_images(50, SHAPE, 4))
