"""CIFAR-10, CIFAR-100 and SVHN from their official files, which torchvision fetches where they are absent."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from rlnet.data.config import DataConfig
from rlnet.data.dataset import ImageSet, Source, fingerprint_of_pixels

T = TypeVar("T")


def cifar10(config: DataConfig) -> Source:
    """50,000 training and 10,000 test images, 32x32, 10 classes (Krizhevsky 2009); constants as in RLNet's code."""
    from torchvision.datasets import CIFAR10

    return _cifar(CIFAR10, config.root, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def cifar100(config: DataConfig) -> Source:
    """50,000 training and 10,000 test images, 32x32, 100 classes (Krizhevsky 2009); constants as in RLNet's code."""
    from torchvision.datasets import CIFAR100

    return _cifar(CIFAR100, config.root, (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))


def svhn(config: DataConfig) -> Source:
    """73,257 training and 26,032 test images of house-number digits, 32x32 (Netzer et al. 2011); without `extra`."""
    from torchvision.datasets import SVHN

    root = Path(config.root)

    def part(split: str) -> ImageSet:
        url, file, _ = SVHN.split_list[split]
        raw = official(lambda download: SVHN(root, split, download=download), root / file, url)
        return ImageSet(torch.from_numpy(np.ascontiguousarray(raw.data)), torch.from_numpy(raw.labels))

    train, test, classes = part("train"), part("test"), tuple("0123456789")
    return Source(train, test, classes, flip=False, fingerprint=fingerprint_of_pixels(train, test, classes))


def _cifar(kind: type, root: str, mean: tuple[float, ...], std: tuple[float, ...]) -> Source:
    def part(train: bool) -> tuple[ImageSet, list[str]]:
        files = Path(root) / kind.base_folder
        raw = official(lambda download: kind(root, train, download=download), files, kind.url)
        pixels = np.ascontiguousarray(raw.data.transpose(0, 3, 1, 2))
        return ImageSet(torch.from_numpy(pixels), torch.tensor(raw.targets)), raw.classes

    (train, names), (test, _) = part(True), part(False)
    classes = tuple(names)
    fingerprint = fingerprint_of_pixels(train, test, classes)
    return Source(train, test, classes, flip=True, fingerprint=fingerprint, mean=mean, std=std)


def official(make: Callable[[bool], T], files: Path, url: str) -> T:
    """What `make(download)` loads from `files`, which are fetched from url only if absent.

    Raises ValueError if they cannot be fetched, or do not pass torchvision's checksums.
    """
    absent = not files.exists()
    try:
        return make(absent)
    except (OSError, RuntimeError) as error:
        if absent:
            raise ValueError(
                f"{files} is absent and {url} cannot be fetched ({error}): fetch it elsewhere, and put it, unpacked, there"
            ) from error
        raise ValueError(f"{files} is damaged ({error}): remove it, and it is fetched again from {url}") from error
