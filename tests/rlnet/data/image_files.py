"""Images for the tests of data sets: made of noise, written to files, and compared by what a data set holds of them."""

from pathlib import Path

import cv2
import numpy as np
import torch


def pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)


def images_of(part: object) -> set[bytes]:
    return {image.numpy().tobytes() for image in part.images[:]}


def class_counts(labels: torch.Tensor) -> list[int]:
    return labels.bincount().tolist()
