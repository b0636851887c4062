"""Tiny-ImageNet: 200 classes, 64x64, 100,000 training images; the 10,000 of val/ are the test set."""

import tempfile
import zipfile
from os import fsencode
from pathlib import Path

import numpy as np
import torch

from rlnet.data.config import DataConfig
from rlnet.data.dataset import ImageSet, Source
from rlnet.data.files.class_files import ClassFiles
from rlnet.data.files.file_list import FileList
from rlnet.data.files.image_files import reader_like
from rlnet.data.identity.class_print import of_files
from rlnet.data.identity.contents import digests
from rlnet.data.identity.fingerprint import Fingerprint
from rlnet.data.lazy import LazyImages, read_images

NAME = "tiny-imagenet-200"
URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MEAN, STD = (0.480, 0.448, 0.398), (0.277, 0.269, 0.282)  # as in SNL and AutoReP; RLNet's code does not normalise


def tiny_imagenet(config: DataConfig) -> Source:
    """The unpacked files in root/tiny-imagenet-200, unpacked first from root/tiny-imagenet-200.zip if need be.

    Its gray files (about 2 %) become RGB. Raises ValueError for missing or malformed files.
    """
    base = Path(config.root) / NAME
    if not base.is_dir():
        unpack(base.with_name(f"{NAME}.zip"), base)
    train = training_files(base / "train")
    parts = {"train": train, "test": annotated(base / "val", train.classes)}
    contents = {name: digests(part.files, base, name) for name, part in parts.items()}
    fingerprint = Fingerprint({name: of_files(part, contents[name]) for name, part in parts.items()})
    images = {name: _read(part, contents[name], base, name) for name, part in parts.items()}
    return Source(**images, classes=train.classes, flip=True, fingerprint=fingerprint, mean=MEAN, std=STD)


def training_files(train: Path) -> ClassFiles:
    """The files <wnid>/images/*.JPEG. Raises ValueError."""
    files = {folder.name: sorted(folder.glob("images/*.JPEG")) for folder in sorted(train.glob("*/"))}
    empty = [name for name, found in files.items() if not found]
    if len(files) < 2 or empty:
        raise ValueError(f"{train}: {len(files)} class folders, without images: {empty}; unpack {NAME}.zip again")
    names = [fsencode(path.relative_to(train)) for found in files.values() for path in found]
    labels = np.repeat(np.arange(len(files)), [len(found) for found in files.values()])
    return ClassFiles(FileList.of(train, names), labels, tuple(files))


def annotated(val: Path, classes: tuple[str, ...]) -> ClassFiles:
    """The file and class of each line `name <tab> wnid <tab> box` of val/val_annotations.txt. Raises ValueError."""
    annotations = val / "val_annotations.txt"
    if not annotations.is_file():
        raise ValueError(f"{annotations} is missing: unpack {NAME}.zip again")
    names, labels = [], []
    for line in annotations.read_text().splitlines():
        name, wnid = (line.split("\t") + [""])[:2]
        if wnid not in classes or not (val / "images" / name).is_file():
            raise ValueError(f"{annotations}: no image or no class in train/ for the line {line!r}; unpack {NAME}.zip again")
        names.append(fsencode(f"images/{name}"))
        labels.append(classes.index(wnid))
    if not names:
        raise ValueError(f"{val} lists no images: unpack {NAME}.zip again")
    return ClassFiles(FileList.of(val, names), np.array(labels), classes)


def unpack(archive: Path, base: Path) -> None:
    """Unpack the official zip to base, whole or not at all. Raises ValueError."""
    if not archive.is_file():
        raise ValueError(f"neither {base} nor {archive} exists: fetch {URL} and put it there")
    try:
        with tempfile.TemporaryDirectory(dir=base.parent) as folder, zipfile.ZipFile(archive) as content:
            content.extractall(folder)
            Path(folder, NAME).rename(base)
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{archive} cannot be unpacked to {base} ({error}): unpack it yourself, or fetch {URL} again"
        ) from error


def _read(part: ClassFiles, contents: np.ndarray, base: Path, name: str) -> ImageSet:
    lazy = LazyImages(part.files, reader_like(part.files[0], None, mixed_gray=True), contents)
    return ImageSet(read_images(lazy, base, name), torch.from_numpy(part.labels))
