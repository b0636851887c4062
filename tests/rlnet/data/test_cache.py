"""Decoded images that are kept: found by what the files hold, renewed, repaired, and removed when nobody reads them."""

import os
import time
from pathlib import Path

import pytest
import torch

from rlnet.data import lazy as lazy_module
from rlnet.data.cache import ABANDONED_S, UNUSED_S
from rlnet.data.lazy import LazyImages

from .image_files import load_folder, pixels, write, write_classes


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    write_classes(tmp_path, 20)
    return tmp_path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images were decoded each time."""
    found: list[int] = []
    decode_all = lazy_module.decode_all
    monkeypatch.setattr(lazy_module, "decode_all", lambda lazy: found.append(len(lazy)) or decode_all(lazy))
    return found


def kept(root: Path) -> list[Path]:
    return sorted((root / ".cache").glob("all-*.npz"))


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_it_is_used_and_repaired(classes: Path, decoded: list[int]) -> None:
    first = load_folder(classes)
    assert torch.equal(load_folder(classes).train.images, first.train.images) and decoded == [40]
    (file,) = kept(classes)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (bytes(content), bytes(content[:500]), b""):
        file.write_bytes(damaged)
        assert torch.equal(load_folder(classes).train.images, first.train.images)
    assert decoded == [40] * 4 and kept(classes) == [file]


def test_it_depends_on_contents_and_not_on_times(classes: Path, decoded: list[int]) -> None:
    load_folder(classes)
    for file in classes.glob("*/*.png"):
        file.touch()
    (classes / "cat" / "00.png").rename(classes / "cat" / "0.png")
    load_folder(classes)
    assert decoded == [40]
    path = classes / "dog" / "03.png"
    status = path.stat()
    write(path, pixels(99, 8, 8, 3))
    assert path.stat().st_size == status.st_size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = load_folder(classes)
    assert decoded == [40, 40]
    fresh = torch.from_numpy(pixels(99, 8, 8, 3)[..., ::-1].transpose(2, 0, 1).copy())
    everything = torch.cat([changed.train.images, changed.validation.images, changed.test.images])
    assert (everything == fresh).all((1, 2, 3)).sum() == 1


def test_other_contents_replace_it_and_other_sizes_do_not(classes: Path, decoded: list[int]) -> None:
    load_folder(classes)
    load_folder(classes, image_size=4)
    (of_four,) = (classes / ".cache").glob("all-4-*.npz")
    (as_stored,) = (classes / ".cache").glob("all-stored-*.npz")
    write(classes / "cat" / "new.png", pixels(1, 8, 8, 3))
    load_folder(classes)
    assert decoded == [40, 40, 41] and of_four.exists() and not as_stored.exists() and len(kept(classes)) == 2


def test_what_nobody_reads_is_removed(classes: Path) -> None:
    """Sizes of a month ago, files of former versions and of writers that were killed; whatever else lies there stays."""
    load_folder(classes, image_size=4)
    load_folder(classes, image_size=5)
    of_four, of_five = kept(classes)
    cache = classes / ".cache"
    former, unfinished, recent = cache / f"{'a' * 32}.npz", cache / ".all-4-abc.npz.17.part", cache / ".all-5-abc.npz.17.part"
    mine = cache / "results.npz"
    for path in (former, unfinished, recent, mine):
        path.write_bytes(b"content")
    age(of_four, UNUSED_S + 60)
    age(of_five, UNUSED_S + 60)
    age(unfinished, ABANDONED_S + 60)
    age(mine, 10 * UNUSED_S)
    load_folder(classes, image_size=5)
    assert of_four.exists()  # nothing was written
    load_folder(classes)
    assert [path.exists() for path in (of_four, of_five, former, unfinished)] == [False, True, False, False]
    assert recent.exists() and mine.exists()


def test_nothing_is_kept_where_nothing_can_be_written(classes: Path, decoded: list[int], user_cache: Path) -> None:
    (classes / ".cache").write_text("a file where the cache's folder would be")
    load_folder(classes)
    assert len(load_folder(classes).train) == 29 and decoded == [40, 40]
    assert not list(user_cache.rglob("all-*.npz"))


def test_the_fingerprint_of_images_on_demand(classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes with contents, order, size and labels, not with times; and is the same if nobody has read the files yet."""
    monkeypatch.setattr(lazy_module, "available_bytes", lambda: 0)
    test = load_folder(classes).test
    assert isinstance(test.images, LazyImages)
    (classes / "cat" / "00.png").touch()
    assert load_folder(classes).test.fingerprint == test.fingerprint
    assert LazyImages(test.images.files, test.images.reader).fingerprint == test.images.fingerprint
    others = [test.subset(torch.tensor(rows)) for rows in ([0, 1, 2], [0, 2, 1], [0, 1])]
    others.append(load_folder(classes, image_size=4).test)
    others.append(type(test)(test.images, test.labels.flip(0)))
    write(test.images.files[0], pixels(99, 8, 8, 3))
    others.append(load_folder(classes).test)
    assert len({images.fingerprint for images in [test, *others]}) == 7
