"""Fingerprints of images: what changes them, the sentences that say what changed, and how they are written down."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlnet.data import DataConfig
from rlnet.data.assembling import assembled
from rlnet.data.digits import digits
from rlnet.data.identity.class_print import ClassPrint, of_pixels
from rlnet.data.identity.fingerprint import Fingerprint

from .image_files import load_folder, pixels, write, write_classes

Parts = dict[str, dict[str, tuple[int, str]]]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """train/ with 10 and test/ with 4 images of cats and of dogs."""
    write_classes(tmp_path / "train", 10)
    write_classes(tmp_path / "test", 4, seed=1)
    return tmp_path


def of(parts: Parts) -> Fingerprint:
    return Fingerprint({part: {name: ClassPrint(*values) for name, values in found.items()} for part, found in parts.items()})


def taken(root: Path) -> Fingerprint:
    return load_folder(root).fingerprint


def add(root: Path) -> None:
    write(root / "train" / "cat" / "new.png", pixels(9, 8, 8, 3))


def remove(root: Path) -> None:
    (root / "test" / "dog" / "03.png").unlink()


def rewrite(root: Path) -> None:
    write(root / "test" / "dog" / "03.png", pixels(9, 8, 8, 3))


def rename(root: Path) -> None:
    (root / "train" / "cat" / "00.png").rename(root / "train" / "cat" / "zz.png")


def move_below(root: Path) -> None:
    (root / "train" / "cat" / "more").mkdir()
    (root / "train" / "cat" / "00.png").rename(root / "train" / "cat" / "more" / "00.png")


def exchange(root: Path) -> None:
    one, other = (root / "train" / "dog" / f"{name}.png" for name in ("00", "01"))
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def move_to_the_other_class(root: Path) -> None:
    (root / "train" / "cat" / "00.png").rename(root / "train" / "dog" / "10.png")


def new_class(root: Path) -> None:
    for part in ("train", "test"):
        write_classes(root / part, 10, ("bird",), seed=2)


def rename_class(root: Path) -> None:
    for part in ("train", "test"):
        (root / part / "cat").rename(root / part / "kitten")


def validation(root: Path) -> None:
    write_classes(root / "val", 3, seed=3)


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (add, ["train/ has 11 images of class cat, 1 more"]),
        (remove, ["test/ has 3 images of class dog, 1 fewer"]),
        (rewrite, ["class dog of test/ has as many images, but other names or contents"]),
        (rename, ["class cat of train/ has as many images, but other names or contents"]),
        (move_below, ["class cat of train/ has as many images, but other names or contents"]),
        (exchange, ["class dog of train/ has as many images, but other names or contents"]),
        (move_to_the_other_class, ["train/ has 9 images of class cat, 1 fewer", "train/ has 11 images of class dog, 1 more"]),
        (new_class, ["class bird is new"]),
        (rename_class, ["class kitten is new", "class cat is gone"]),
        (validation, ["validation/ is new"]),
    ],
)
def test_every_change_of_the_images_is_named(parts: Path, change: Callable[[Path], None], sentences: list[str]) -> None:
    before = taken(parts)
    change(parts)
    now = taken(parts)
    assert before.differences(now) == sentences and before.digest != now.digest


def test_a_folder_that_is_split_here(tmp_path: Path) -> None:
    write_classes(tmp_path, 10)
    before = taken(tmp_path)
    for i in range(1000, 1240):
        write(tmp_path / "cat" / f"{i}.png", pixels(i, 8, 8, 3))
    rewrite_dog = tmp_path / "dog" / "03.png"
    write(rewrite_dog, pixels(9, 8, 8, 3))
    assert before.differences(taken(tmp_path)) == [
        "the folder has 250 images of class cat, 240 more",
        "class dog has as many images, but other names or contents",
    ]


def test_what_is_no_change(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Other times, names of the parts, hidden files, a place elsewhere, seeds, limits and sizes."""
    before = taken(parts)
    for file in parts.rglob("*.png"):
        file.touch()
    (parts / "train").rename(parts / "Training")
    (parts / "Training" / "cat" / ".hidden").touch()
    root = tmp_path_factory.mktemp("elsewhere") / "moved"
    parts.rename(root)
    now = load_folder(root, seed=3, train_limit=10, validation=0.2, test_limit=4, image_size=4).fingerprint
    assert before == now and before.differences(now) == [] and before.digest == now.digest


def test_other_changes_by_hand() -> None:
    before = of({"train": {"cat": (3, "a"), "dog": (3, "b")}, "test": {"cat": (1, "c"), "dog": (1, "d")}})
    apart = of({"all": {"cat": (4, "a"), "dog": (4, "b")}})
    assert before.differences(apart) == ["the images lay in train/ and test/, and lie in one folder, split here"]
    assert apart.differences(before) == ["the images lay in one folder, split here, and lie in train/ and test/"]
    one_side = of({"train": {"cat": (3, "a"), "dog": (3, "b"), "owl": (1, "e")}, "test": {"cat": (1, "c"), "dog": (1, "d")}})
    assert before.differences(one_side) == ["class owl of train/ is new"]
    assert one_side.differences(before) == ["class owl of train/ is gone"]
    turned = Fingerprint({part: dict(reversed(found.items())) for part, found in before.parts.items()})
    assert before.differences(turned) == ["the classes are in another order"]
    single = of({"train": {"cat": (1, "a"), "dog": (3, "b")}, "test": {"cat": (1, "c"), "dog": (1, "d")}})
    assert before.differences(single) == ["train/ has 1 image of class cat, 2 fewer"]


def test_at_most_five_are_told() -> None:
    before, now = (of({"train": {f"class{k}": (k, digest) for k in range(1, 9)}}) for digest in "ab")
    told = before.differences(now)
    assert len(told) == 6 and told[0].startswith("class class1 of train/ has as many images") and told[-1] == "and 3 more"


def test_there_are_differences_just_where_the_digests_differ() -> None:
    """Over all pairs of 60 random fingerprints, some of which are the same."""
    rng = np.random.default_rng(0)

    def draw() -> Fingerprint:
        names = [("train",), ("train", "test"), ("all",)][rng.integers(3)]
        classes = rng.permutation(["a", "b"])[: rng.integers(1, 3)].tolist()
        return of({part: {name: (int(rng.integers(1, 3)), str(rng.integers(2))) for name in classes} for part in names})

    drawn = [draw() for _ in range(60)]
    for one in drawn:
        for other in drawn:
            assert (one.differences(other) == []) == (one.digest == other.digest)
    assert len({one.digest for one in drawn}) < len(drawn)


def test_written_and_read_again(parts: Path) -> None:
    fingerprint = taken(parts)
    again = Fingerprint.from_plain(json.loads(json.dumps(fingerprint.plain())))
    assert again == fingerprint and again.digest == fingerprint.digest and len(again.digest) == 32
    assert all(len(found.digest) == 16 for classes in again.parts.values() for found in classes.values())


def leaves(plain: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    return (
        [path, *(place for key in plain for place in leaves(plain[key], (*path, key)))] if isinstance(plain, dict) else [path]
    )


def test_a_damaged_one_is_refused(parts: Path) -> None:
    """Whichever value is gone or of another kind, and for what is no fingerprint at all."""
    plain = taken(parts).plain()
    damaged: list[Any] = [None, [], "x", 3, {}]
    for path in leaves(plain)[1:]:
        for value in (None, "x", -1, 1.5, [], {}, "gone"):
            copied = copy.deepcopy(plain)
            place = copied
            for key in path[:-1]:
                place = place[key]
            if value == "gone":
                del place[path[-1]]
            else:
                place[path[-1]] = value
            damaged.append(copied)
    for value in damaged:
        with pytest.raises(ValueError, match="fingerprint of the images is damaged"):
            Fingerprint.from_plain(value)


def test_images_that_are_no_files() -> None:
    """Every pixel and every place counts, and a class that did not change is as it was."""
    images, labels = pixels(0, 12, 3, 4, 4), np.arange(12) % 3
    before = of_pixels(images, labels, ("a", "b", "c"))
    assert [found.images for found in before.values()] == [4, 4, 4] and before == of_pixels(
        images.copy(), labels, ("a", "b", "c")
    )
    for place in ((0, 0, 0, 0), (6, 2, 3, 3), (9, 1, 2, 0)):
        changed = images.copy()
        changed[place] ^= 1
        now = of_pixels(changed, labels, ("a", "b", "c"))
        assert now["a"] != before["a"] and (now["b"], now["c"]) == (before["b"], before["c"])
    exchanged = images.copy()
    exchanged[[1, 4]] = images[[4, 1]]
    now = of_pixels(exchanged, labels, ("a", "b", "c"))
    assert now["b"] != before["b"] and (now["a"], now["c"]) == (before["a"], before["c"])
    order = np.r_[1, 0, 2:12]
    assert of_pixels(images[order], labels[order], ("a", "b", "c")) != before


def test_the_digits_have_one_fingerprint() -> None:
    """Of all their images, whichever are used."""
    first = assembled(digits(DataConfig()), DataConfig(), 0).fingerprint
    limited = DataConfig(train_limit=100, test_limit=50)
    assert first == assembled(digits(limited), limited, 1).fingerprint
    assert [sum(found.images for found in classes.values()) for classes in first.parts.values()] == [1437, 360]
