"""The files of class folders: what is left out at every depth, what links lead to, and what is refused by name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rlnet.data.files.class_files import class_files
from rlnet.data.files.layout import find
from rlnet.data.files.walk import CLUTTER, files_below

from .image_files import load_folder, write_classes


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def names(folder: Path) -> list[str]:
    return [os.fsdecode(name) for name in files_below(folder)]


def test_the_order_is_that_of_paths(tmp_path: Path) -> None:
    """Splits are drawn by an image's place, so it may not depend on the file system, nor on how folders are walked."""
    for name in ("b", "a/z", "a/b/c", "a.png", "a-b/x", "B", "ä", "a b/1", "10", "9", "a/b.png"):
        touch(tmp_path / f"{name}.png")
    expected = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert names(tmp_path) == [path.relative_to(tmp_path).as_posix() for path in expected]


def test_a_list_of_files_is_the_paths_it_was_made_of(tmp_path: Path) -> None:
    write_classes(tmp_path, 3)
    part = class_files(tmp_path, ("cat", "dog"))
    expected = sorted(tmp_path.glob("*/*.png"))
    assert list(part.files) == expected and part.labels.tolist() == [0, 0, 0, 1, 1, 1]
    rows = part.labels.nonzero()[0][::-1]
    assert list(part.files.subset(rows)) == expected[:2:-1] and list(part.subset(rows).files.names()) == [
        os.fsencode(path.relative_to(tmp_path)) for path in expected[:2:-1]
    ]


@pytest.mark.parametrize("depth", ["", "batch", "batch/more"])
@pytest.mark.parametrize("name", sorted(CLUTTER) + [b".ipynb_checkpoints", b".DS_Store", b"._1.png", b"Thumbs.DB", b"__MACOSX"])
def test_hidden_entries_and_clutter_are_left_out_at_every_depth(tmp_path: Path, depth: str, name: bytes) -> None:
    """As files, and as folders with copies of images in them."""
    touch(tmp_path / depth / "1.png")
    place = tmp_path / depth / os.fsdecode(name)
    touch(place)
    assert names(tmp_path) == [os.path.join(depth, "1.png")]
    place.unlink()
    touch(place / "1-checkpoint.png")
    assert names(tmp_path) == [os.path.join(depth, "1.png")]


def test_hidden_copies_reach_no_part_of_a_data_set(tmp_path: Path) -> None:
    write_classes(tmp_path, 20)
    before = load_folder(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / name / ".ipynb_checkpoints").mkdir()
        for file in (tmp_path / name).glob("*.png"):
            os.link(file, tmp_path / name / ".ipynb_checkpoints" / f"{file.stem}-checkpoint.png")
    after = load_folder(tmp_path)
    assert (len(after.train), len(after.test)) == (len(before.train), len(before.test)) and after.leaks is None
    assert before.fingerprint == after.fingerprint


def test_links_are_followed(tmp_path: Path) -> None:
    """To a part, to a class, to a folder in a class, and to a file: the same as if they were there."""
    elsewhere = tmp_path / "elsewhere"
    touch(elsewhere / "part" / "cat" / "1.png")
    touch(elsewhere / "dogs" / "2.png")
    touch(elsewhere / "more" / "deep" / "3.png")
    root = tmp_path / "root"
    (root / "test" / "cat").mkdir(parents=True)
    (root / "train").symlink_to(elsewhere / "part")
    for part in ("part", "../root/test"):
        (elsewhere / part / "dog").symlink_to(elsewhere / "dogs")
    (elsewhere / "part" / "cat" / "more").symlink_to(elsewhere / "more")
    (root / "test" / "cat" / "linked.png").symlink_to("../../../elsewhere/part/cat/1.png")
    layout = find(root)
    found = {part: list(class_files(folder, layout.classes).files.names()) for part, folder in layout.folders.items()}
    assert found == {
        "train": [b"cat/1.png", b"cat/more/deep/3.png", b"dog/2.png"],
        "test": [b"cat/linked.png", b"dog/2.png"],
    }


def to_the_class(folder: Path) -> None:
    (folder / "again").symlink_to(".")


def to_the_disk(folder: Path) -> None:
    """Which must not be walked before it is noticed."""
    (folder / "again").symlink_to("/")


def through_another_folder(folder: Path) -> None:
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "back").symlink_to(folder)
    (folder / "again").symlink_to(folder.parent / "other")


def below(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "again").symlink_to(folder / "a")


@pytest.mark.parametrize(
    ("link", "match"),
    [
        (to_the_class, "cat/again leads back to .*cat, in which it lies"),
        (to_the_disk, "cat/again leads back to /, in which it lies"),
        (through_another_folder, "cat/again/back leads back to .*cat, in which it lies"),
        (below, "cat/a/b/again leads back to .*cat/a, in which it lies"),
    ],
)
def test_loops_are_refused(tmp_path: Path, link: Callable[[Path], None], match: str) -> None:
    touch(tmp_path / "cat" / "1.png")
    link(tmp_path / "cat")
    with pytest.raises(ValueError, match=match):
        names(tmp_path / "cat")


@pytest.mark.parametrize("place", ["bird", "cat/2.png", "cat/more/2.png"])
@pytest.mark.parametrize(("target", "why"), [("nowhere", "No such file"), ("itself", "Too many levels")])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, place: str, target: str, why: str) -> None:
    """It once dropped its class without a word."""
    write_classes(tmp_path, 10)
    link = tmp_path / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(link.name if target == "itself" else target)
    with pytest.raises(ValueError, match=f"{place} is a symbolic link to .*, which cannot be reached .{why}.*: mend or remove"):
        load_folder(tmp_path)


def test_a_hidden_link_may_lead_nowhere(tmp_path: Path) -> None:
    """Editors lock files with such links."""
    write_classes(tmp_path, 10)
    (tmp_path / "cat" / ".#1.png").symlink_to("me@here:1")
    assert len(load_folder(tmp_path).test) == 4


def test_pipes_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    write_classes(tmp_path, 10)
    os.mkfifo(tmp_path / "cat" / "x.png")
    with pytest.raises(ValueError, match=r"x.png is neither a file nor a folder"):
        load_folder(tmp_path)


def test_only_hidden_images_are_none(tmp_path: Path) -> None:
    write_classes(tmp_path, 10)
    touch(tmp_path / "bird" / ".1.png")
    with pytest.raises(ValueError, match=r"bird has no images: add some, or remove the folder"):
        load_folder(tmp_path)


def test_other_files_among_images_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path, 10)
    (tmp_path / "cat" / "README.txt").write_text("cats")
    with pytest.raises(ValueError, match=r"README.txt is not an image, or is damaged: remove it"):
        load_folder(tmp_path)
