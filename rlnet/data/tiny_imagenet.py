"""Tiny-ImageNet: 200 classes, 64x64, 100,000 training images; the 10,000 of val/ are the test set."""

import tempfile
import zipfile
from pathlib import Path

import torch

from rlnet.data.config import DataConfig
from rlnet.data.dataset import ImageSet, Source
from rlnet.data.image_files import reader_like
from rlnet.data.lazy import read_images

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
    files = {folder.name: sorted(folder.glob("images/*.JPEG")) for folder in sorted((base / "train").glob("*/"))}
    empty = [name for name, found in files.items() if not found]
    if len(files) < 2 or empty:
        raise ValueError(f"{base / 'train'}: {len(files)} class folders, without images: {empty}; unpack {NAME}.zip again")
    classes = tuple(files)
    train = [(path, label) for label, found in enumerate(files.values()) for path in found]
    return Source(_read(train, base), _read(annotated(base / "val", classes), base), classes, flip=True, mean=MEAN, std=STD)


def annotated(val: Path, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    """(file, label) of each line `name <tab> wnid <tab> box` of val/val_annotations.txt. Raises ValueError."""
    annotations = val / "val_annotations.txt"
    if not annotations.is_file():
        raise ValueError(f"{annotations} is missing: unpack {NAME}.zip again")
    pairs = []
    for line in annotations.read_text().splitlines():
        name, wnid = (line.split("\t") + [""])[:2]
        path = val / "images" / name
        if wnid not in classes or not path.is_file():
            raise ValueError(f"{annotations}: no image or no class in train/ for the line {line!r}; unpack {NAME}.zip again")
        pairs.append((path, classes.index(wnid)))
    return pairs


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


def _read(pairs: list[tuple[Path, int]], base: Path) -> ImageSet:
    if not pairs:
        raise ValueError(f"{base / 'val'} lists no images: unpack {NAME}.zip again")
    paths = [path for path, _ in pairs]
    reader = reader_like(paths[0], None, mixed_gray=True)
    return ImageSet(read_images(paths, reader, base), torch.tensor([label for _, label in pairs]))
