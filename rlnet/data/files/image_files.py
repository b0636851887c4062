"""The image files of a data set as pixels of one mode and size; a file that is unlike the others is refused."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from rlnet.data.files.decoding import MOST_PIXELS, decode
from rlnet.data.files.shown import shown

MODES = {1: "gray", 3: "RGB"}


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
            raise ValueError(f"{shown(path)} is {mode}, but {shown(self.first)} is {self.mode}: convert them to one mode")
        if self.size is not None:
            image = resize(image, self.size)
        if image.shape[:2] != (self.height, self.width):
            raise ValueError(
                f"{shown(path)} has {image.shape[1]}x{image.shape[0]} pixels, but {shown(self.first)} has"
                f" {self.width}x{self.height}: set image_size to resize all images"
            )
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if mode == "gray" else image


def reader_like(first: Path, size: int | None, mixed_gray: bool = False) -> Reader:
    """A reader for files like the first one; mixed_gray accepts gray files among RGB ones. Raises ValueError."""
    if size is not None and size**2 > MOST_PIXELS:
        raise ValueError(f"image_size is {size}: use at most {math.isqrt(MOST_PIXELS):,}")
    image = decode(first)
    height, width = (size, size) if size is not None else image.shape[:2]
    return Reader(first, "gray or RGB" if mixed_gray else MODES[image.shape[2]], height, width, size)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """An image (H, W, C) as (size, size, C): averaged where it shrinks, cubic where it grows."""
    if image.shape[:2] == (size, size):
        return image
    method = cv2.INTER_AREA if min(image.shape[:2]) > size else cv2.INTER_CUBIC
    resized = cv2.resize(image, (size, size), interpolation=method)
    return resized.reshape(size, size, image.shape[2])
