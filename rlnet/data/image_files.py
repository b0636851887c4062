"""One image file to uint8 RGB pixels, refused if it is not what the other files of its data set are."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

MODES = {1: "gray", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Reader:
    """Decodes the files of one data set, which must all be like its first file.

    size: side in pixels to which every image is resized, or None; height, width: of the decoded images;
    mode: "gray" or "RGB", or "gray or RGB" where both may occur (gray becomes RGB with three equal channels).
    """

    first: Path
    mode: str
    height: int
    width: int
    size: int | None

    def __call__(self, path: Path) -> np.ndarray:
        """The RGB pixels (H, W, 3), uint8. Raises ValueError for what is no image or of another mode or size."""
        image = decode(path)
        mode = MODES[image.shape[2]]
        if mode not in self.mode.split(" or "):
            raise ValueError(f"{path} is {mode}, but {self.first} is {self.mode}: convert them to one mode")
        if self.size is not None:
            image = resize(image, self.size)
        if image.shape[:2] != (self.height, self.width):
            raise ValueError(
                f"{path} has {image.shape[1]}x{image.shape[0]} pixels, but {self.first} has {self.width}x{self.height}:"
                " set image_size to resize all images"
            )
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if mode == "gray" else cv2.COLOR_BGR2RGB)


def reader_like(first: Path, size: int | None, mixed_gray: bool = False) -> Reader:
    """A reader for files like the first one; mixed_gray accepts gray files among RGB ones. Raises ValueError."""
    image = decode(first)
    mode = MODES[image.shape[2]]
    if mode == "RGBA":
        raise ValueError(f"{first} has an alpha channel (RGBA): convert the images to RGB")
    height, width = (size, size) if size is not None else image.shape[:2]
    return Reader(first, "gray or RGB" if mixed_gray else mode, height, width, size)


def decode(path: Path) -> np.ndarray:
    """The pixels of a file as stored, uint8 (H, W, 1), BGR (H, W, 3) or BGRA (H, W, 4). Raises ValueError."""
    content = np.fromfile(path, dtype=np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if content.size else None
    if image is None:
        raise ValueError(f"{path} is not an image, or is damaged: remove it or put it right")
    if image.dtype != np.uint8:
        raise ValueError(f"{path} has {image.dtype} pixels: convert it to 8 bits a channel")
    return image[..., None] if image.ndim == 2 else image


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """An image (H, W, C) as (size, size, C): averaged where it shrinks, cubic where it grows."""
    if image.shape[:2] == (size, size):
        return image
    method = cv2.INTER_AREA if min(image.shape[:2]) > size else cv2.INTER_CUBIC
    resized = cv2.resize(image, (size, size), interpolation=method)
    return resized.reshape(size, size, image.shape[2])
