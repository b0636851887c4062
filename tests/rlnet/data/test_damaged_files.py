"""Image files that are damaged, lie about their size, or are no files: one sentence each, which names the file."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest

from rlnet.data.files import decoding
from rlnet.data.files.decoding import MOST_PIXELS, decode
from rlnet.data.files.image_files import reader_like

from .encoded import claims_of, encoded, every_kind, png_that_claims, smooth
from .image_files import load_folder, write_classes

FILES = every_kind()


def decoded_or_refused(path: Path) -> tuple[np.ndarray | None, str]:
    """The pixels, or None and the sentence; every other error is a failure."""
    try:
        return decode(path), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_is_refused_or_whole(tmp_path: Path, name: str) -> None:
    """Wherever it ends: no pixel is invented. Some files end in bytes that tell no pixel."""
    path, content = tmp_path / "image", FILES[name]
    path.write_bytes(content)
    whole = decode(path)
    refused = 0
    for end in [*range(0, len(content), 7), *range(len(content) - 20, len(content))]:
        path.write_bytes(content[:end])
        pixels, refusal = decoded_or_refused(path)
        assert np.array_equal(pixels, whole) or refusal.startswith(f"{path} is not an image, or is damaged: remove it"), end
        refused += pixels is None
    assert refused >= len(content) / 7


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(("PNG", "JPEG"))])
def test_a_file_whose_end_was_never_written_is_refused(tmp_path: Path, name: str) -> None:
    """Its size is right, but it ends in zeros, as after a crash or a full disk."""
    path, content = tmp_path / "image", FILES[name]
    for end in range(len(content) // 4, len(content) - 2, 11):
        path.write_bytes(content[:end] + bytes(len(content) - end))
        with pytest.raises(ValueError, match="is not an image, or is damaged: remove it or put it right"):
            decode(path)


def test_a_jpeg_with_a_thumbnail_has_an_end_of_its_own(tmp_path: Path) -> None:
    """The thumbnail's does not count, nor does what follows the image."""
    from PIL import Image

    path, thumbnail = tmp_path / "image", encoded("JPEG", smooth(8, 8))
    picture = Image.fromarray(smooth())
    content = encoded("JPEG", picture, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + thumbnail)
    path.write_bytes(content + b"a video \xff\xda of what was seen before")
    assert decode(path).shape == (24, 28, 3)
    path.write_bytes(content[:-40] + bytes(40))
    with pytest.raises(ValueError, match="JPEG: it has no end"):
        decode(path)


@pytest.mark.parametrize("name", FILES)
def test_no_damage_is_answered_with_anything_but_a_sentence(tmp_path: Path, name: str) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "image"
    for _ in range(150):
        content = bytearray(FILES[name])
        for _ in range(rng.integers(1, 5)):
            content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content)
        image, refusal = decoded_or_refused(path)
        if image is None:
            assert refusal.startswith(f"{path} ")
        else:
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] in (1, 3)


@pytest.mark.parametrize("kind", claims_of(60_000, 60_000))
def test_sizes_beyond_reason_are_refused_unseen(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(claims_of(60_000, 60_000)[kind])
    begin = time.process_time()
    with pytest.raises(
        ValueError, match=rf"image says that it has (more|\d+x\d+) pixels: images may have {MOST_PIXELS:,}; make it"
    ):
        decode(path)
    assert time.process_time() - begin < 0.5


def test_the_largest_size_is_not_refused(tmp_path: Path) -> None:
    """It is then found to be damaged, as its pixels are missing."""
    path = tmp_path / "image"
    path.write_bytes(png_that_claims(2**13, MOST_PIXELS // 2**13 + 1))
    with pytest.raises(ValueError, match="says that it has 8192x8193 pixels"):
        decode(path)
    path.write_bytes(png_that_claims(2**13, MOST_PIXELS // 2**13))
    with pytest.raises(ValueError, match="is not an image, or is damaged"):
        decode(path)


def test_a_huge_image_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(FILES["PNG"])
    assert reader_like(path, 100)(path).shape == (100, 100, 3)
    with pytest.raises(ValueError, match="image_size is 100000: use at most 8,192"):
        reader_like(path, 100_000)


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (MemoryError("std::bad_alloc"), "needs more memory than there is: make it smaller"),
        (cv2.error("OpenCV:\n assertion failed\n"), r"is damaged: remove it or put it right \(PNG: OpenCV: assertion failed\)"),
    ],
)
def test_errors_of_decoders_become_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, match: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    path = tmp_path / "image"
    path.write_bytes(FILES["PNG"])
    monkeypatch.setattr(decoding.cv2, "imdecode", fail)
    with pytest.raises(ValueError, match=match):
        decode(path)


@contextmanager
def another_user() -> Iterator[None]:
    """Root may read everything; another may not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def too_large(path: Path) -> None:
    """A file with a hole."""
    with open(path, "wb") as file:
        file.truncate(2**40)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: None, r"x.png cannot be read \(No such file"),
        (Path.mkdir, r"x.png cannot be read \(Is a directory\)"),
        (Path.touch, r"x.png is not an image, or is damaged"),
        (pipe, "x.png is not a file but a pipe or a device"),
        (lambda path: path.symlink_to("/dev/zero"), "x.png is not a file but a pipe or a device"),
        (too_large, r"x.png has 1,099,511,627,776 bytes: images may have 1,073,741,824; make it smaller"),
    ],
)
def test_what_is_no_file_of_an_image(tmp_path: Path, make: Callable[[Path], object], match: str) -> None:
    make(tmp_path / "x.png")
    with pytest.raises(ValueError, match=match):
        decode(tmp_path / "x.png")


@pytest.mark.parametrize("place", ["cat/03.png", "cat", "."])
def test_what_may_not_be_read(place: str) -> None:
    with TemporaryDirectory() as folder:  # another user may not enter pytest's own
        Path(folder).chmod(0o755)
        root = Path(folder, "pictures")
        write_classes(root, 10)
        (root / place).chmod(0)
        match = rf"{re.escape(str(root / place))} cannot be read \(Permission denied\): allow reading it"
        with another_user(), pytest.raises(ValueError, match=match):
            load_folder(root)
        (root / place).chmod(0o755)
