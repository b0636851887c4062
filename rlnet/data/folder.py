"""Any folder of images: one sub-folder a class, either directly or in train/ and test/ (or val/)."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from rlnet.data.config import DataConfig
from rlnet.data.dataset import ImageSet, Source
from rlnet.data.image_files import Reader, reader_like
from rlnet.data.lazy import read_images
from rlnet.data.randomness import generator
from rlnet.data.splits import hold_out

TEST_FRACTION = 0.2


def folder(config: DataConfig) -> Source:
    """The images in config.root. Without test/ or val/, a fifth of each class is the test set, the same for every seed.

    Raises ValueError for what is missing, empty, no image, or unlike the rest in mode or size.
    """
    root = Path(config.root)
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder: set root to the folder that holds the class folders, or train/ and test/")
    if not _holds_folders(root / "train"):
        files = class_files(root)
        everything = _read(files, reader_like(files.paths[0], config.image_size), root)
        rest, drawn = hold_out(everything.labels, files.classes, TEST_FRACTION, generator(0, "test split"))
        return Source(everything.subset(rest), everything.subset(drawn), files.classes, flip=True)
    name = next((name for name in ("test", "val") if _holds_folders(root / name)), None)
    if name is None:
        raise ValueError(
            f"{root} has train/ but neither test/ nor val/ with class folders: add one, or set root to {root / 'train'}"
        )
    train, test = class_files(root / "train"), class_files(root / name)
    if train.classes != test.classes:
        raise ValueError(
            f"{root}: the classes of train/ and {name}/ differ in {sorted(set(train.classes) ^ set(test.classes))}:"
            " give both the same class folders"
        )
    reader = reader_like(train.paths[0], config.image_size)
    return Source(_read(train, reader, root), _read(test, reader, root), train.classes, flip=True)


@dataclass(frozen=True)
class ClassFiles:
    """N files, sorted by class and path, with their labels, and the names of the classes."""

    paths: list[Path]
    labels: list[int]
    classes: tuple[str, ...]


def class_names(part: Path) -> tuple[str, ...]:
    """The names of the class folders in part, sorted; hidden ones are left out."""
    with os.scandir(part) as entries:
        return tuple(sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")))


def class_files(part: Path) -> ClassFiles:
    """The files of the class folders in part; hidden ones are left out. Raises ValueError."""
    classes = class_names(part)
    if len(classes) < 2:
        raise ValueError(f"{part} has {len(classes)} class folders {classes}: it needs one for each class, at least two")
    files = ClassFiles([], [], classes)
    for label, name in enumerate(classes):
        found = _files(part / name)
        if not found:
            raise ValueError(f"{part / name} has no images: add some, or remove the folder")
        files.paths.extend(found)
        files.labels.extend([label] * len(found))
    return files


def _read(files: ClassFiles, reader: Reader, root: Path) -> ImageSet:
    return ImageSet(read_images(files.paths, reader, root), torch.tensor(files.labels))


def _files(class_folder: Path) -> list[Path]:
    return sorted(Path(where, name) for where, _, names in os.walk(class_folder) for name in names if not name.startswith("."))


def _holds_folders(path: Path) -> bool:
    """Whether path is a part of a data set; a class named `train` holds images, not folders."""
    return path.is_dir() and any(entry.is_dir() for entry in path.iterdir())
