"""Where the images of a folder lie: its parts (training, validation, test) and their class folders, before any is read.

    ROOT/cat/, ROOT/dog/, ...                    no parts: test images are drawn from each class
    ROOT/train/cat/, ... and ROOT/test/cat/, ... images for training and for the test
    ROOT/train/, ROOT/val/, ROOT/test/           with images of their own to select checkpoints
    ROOT/train/, ROOT/val/                       val/ is the test set, as there is no other

A part may be called by any of PART_NAMES, in small or large letters.
"""

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from rlnet.data.files.shown import is_text, shown
from rlnet.data.files.signatures import looks_like_an_image
from rlnet.data.files.walk import listed

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
PARTS = {name: part for part, names in PART_NAMES.items() for name in names}
WHOLE = "all"


@dataclass(frozen=True)
class Layout:
    """folders: the folder that holds the class folders, by part: "train", "test" and perhaps "validation", or "all" alone.

    classes: the names of the class folders, sorted, the same in each part. left_out: folders beside the parts, not read.
    """

    root: Path
    folders: dict[str, Path]
    classes: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """What should be said of folders that are not read, if there are any."""
        if not self.left_out:
            return None
        parts = ", ".join(f"{folder.name}/" for folder in self.folders.values())
        return f"{shown(self.root)} has {parts}; what else lies there is not read: {', '.join(map(shown, self.left_out))}"


def find(root: Path) -> Layout:
    """The parts and classes in root. Reads names only. Raises ValueError for what is missing or can be read in two ways."""
    if not root.is_dir():
        raise ValueError(
            f"{shown(root)} is not a folder: set root to the folder that holds the class folders, or train/ and test/"
        )
    folders = [os.fsdecode(name) for name in listed(root)[1]]
    named = {name: PARTS[name.lower()] for name in folders if name.lower() in PARTS}
    divided = {name for name in named if listed(root / name)[1]}
    if not divided:
        if len(named) > 1:
            raise ValueError(f"{shown(root)} has {_listed(named)}, without class folders in them: make one for each class")
        return Layout(root, {WHOLE: root}, class_folders(root))
    parts = _parts(root, named, divided)
    _check_apart(parts)
    classes = {part: class_folders(folder) for part, folder in parts.items()}
    for part, found in classes.items():
        _check_same_classes(root, parts["train"].name, classes["train"], parts[part].name, found)
    return Layout(root, parts, classes["train"], tuple(name for name in folders if name not in named))


def class_folders(part: Path) -> tuple[str, ...]:
    """The names of the class folders in a part, sorted; `Cat` and `cat` are two. Raises ValueError."""
    files, folders = listed(part)
    for name in files:
        path = part / os.fsdecode(name)
        if looks_like_an_image(path):
            raise ValueError(f"{shown(path)} lies beside the class folders: move it into that of its class, or remove it")
    classes = tuple(os.fsdecode(name) for name in folders)
    if len(classes) < 2:
        raise ValueError(f"{shown(part)} has {len(classes)} class folders {classes}: it needs one for each class, at least two")
    for name in classes:
        if not is_text(name):
            raise ValueError(f"{shown(part / name)} has a name that is not UTF-8, and networks are saved with it: rename it")
    return classes


def _parts(root: Path, named: dict[str, str], divided: set[str]) -> dict[str, Path]:
    """The folder of each part, "train" first. Raises ValueError where one is there twice, or needed and missing."""
    parts: dict[str, Path] = {}
    for part in PART_NAMES:
        names = [name for name, meaning in named.items() if meaning == part]
        if len(names) > 1:
            raise ValueError(f"{shown(root)} has {_listed(names)}, which both mean the {part} part: keep one of them")
        if names:
            parts[part] = root / names[0]
    if "train" not in parts:
        raise ValueError(
            f"{shown(root)} has {_listed(divided)} with class folders, but no train/ beside: add it, or rename a class"
            " that is called so"
        )
    if undivided := [name for name in named if name not in divided]:
        raise ValueError(
            f"{shown(root)} has {_listed(divided)} with class folders, but none in {_listed(undivided)}: give it the same ones,"
            " or take it out of there"
        )
    if len(parts) == 1:
        raise ValueError(
            f"{shown(root)} has train/ but neither test/ nor val/ with class folders: add one,"
            f" or set root to {shown(parts['train'])}"
        )
    if "test" not in parts:
        parts["test"] = parts.pop("validation")
    return parts


def _check_apart(parts: dict[str, Path]) -> None:
    real = {}
    for folder in parts.values():
        if (other := real.setdefault(os.path.realpath(folder), folder)) is not folder:
            raise ValueError(f"{shown(folder)} and {shown(other)} are the same folder: tests need images of their own")


def _check_same_classes(root: Path, train: str, classes: tuple[str, ...], part: str, found: tuple[str, ...]) -> None:
    if classes == found:
        return
    differing = sorted(set(classes) ^ set(found))
    remedy = "give both the same class folders"
    if {unicodedata.normalize("NFC", name) for name in classes} == {unicodedata.normalize("NFC", name) for name in found}:
        differing = [name.encode("unicode_escape").decode() for name in differing]
        remedy = "they look the same, but are spelt with other characters (Unicode's forms NFC and NFD): rename one"
    raise ValueError(f"{shown(root)}: the classes of {train}/ and {part}/ differ in {differing}: {remedy}")


def _listed(names: dict[str, str] | set[str] | list[str]) -> str:
    return " and ".join(f"{name}/" for name in sorted(names))
