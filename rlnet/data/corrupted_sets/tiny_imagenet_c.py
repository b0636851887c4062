"""Tiny-ImageNet-C: image files in `<corruption>/<severity>/<class>/` (Hendrycks & Dietterich 2019, Sec. 3)."""

from pathlib import Path

import numpy as np
import torch

from rlnet.data.corrupted_sets.corrupted_set import CorruptedSet
from rlnet.data.dataset import ImageSet
from rlnet.data.files.class_files import class_files
from rlnet.data.files.image_files import reader_like
from rlnet.data.files.layout import class_folders
from rlnet.data.identity.contents import digests
from rlnet.data.lazy import LazyImages


class TinyImageNetC(CorruptedSet):
    """Images decoded when they are indexed; sorted by class, not in the order of the clean test set."""

    @staticmethod
    def place(folder: Path, name: str) -> Path:
        return folder / name

    def contents(self, name: str, severity: int) -> np.ndarray:
        files = self.image_set(name, severity).images.files
        return digests(files, self.folder, f"{name}-{severity}-{self.test_limit or 'all'}")

    def check(self, name: str, severity: int) -> None:
        part = self._part(name, severity)
        if not part.is_dir():
            raise ValueError(f"{part} is missing: unpack the official files again")
        if (classes := class_folders(part)) != self.classes:
            raise ValueError(
                f"{part} has {len(classes)} classes and the data set {len(self.classes)}, which differ in"
                f" {sorted(set(classes) ^ set(self.classes))}: use the corrupted images of this data set"
            )

    def read(self, name: str, severity: int) -> ImageSet:
        part = class_files(self._part(name, severity), self.classes)
        images = LazyImages(part.files, reader_like(part.files[0], None, mixed_gray=True))
        if images.shape[1:] != self.image_shape:
            _, height, width = self.image_shape
            raise ValueError(
                f"{part.files[0]} has {images.shape[3]}x{images.shape[2]} pixels, but the data set's images have"
                f" {width}x{height}: use both in the size they were published in"
            )
        return ImageSet(images, torch.from_numpy(part.labels))

    def _part(self, name: str, severity: int) -> Path:
        return self.place(self.folder, name) / str(severity)
