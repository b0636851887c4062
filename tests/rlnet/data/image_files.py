"""Images for the tests of data sets: made of noise, written to files, and compared by what a data set holds of them."""

from pathlib import Path

import cv2
import numpy as np
import torch

from rlnet.data import DataConfig, Dataset
from rlnet.data.assembling import assembled
from rlnet.data.folder import folder


def pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def write_classes(part: Path, count: int, classes: tuple[str, ...] = ("cat", "dog"), seed: int = 0) -> None:
    """Class folders of `count` images of noise, 8x8, as PNG; no two are alike, nor like those of another seed."""
    for k, name in enumerate(classes):
        for i in range(count):
            write(part / name / f"{i:02}.png", pixels(10_000 * seed + 100 * k + i, 8, 8, 3))


def load_folder(root: Path, seed: int = 0, **settings: object) -> Dataset:
    config = DataConfig("folder", str(root), **settings)
    return assembled(folder(config), config, seed)


def images_of(part: object) -> set[bytes]:
    return {image.numpy().tobytes() for image in part.images[:]}


def class_counts(labels: torch.Tensor) -> list[int]:
    return labels.bincount().tolist()
