"""Tiny-ImageNet-C: image files in `<corruption>/<severity>/<class>/` (Hendrycks & Dietterich 2019, Sec. 3)."""

from pathlib import Path

import torch

from rlnet.data.corrupted_sets.corrupted_set import CorruptedSet
from rlnet.data.dataset import ImageSet
from rlnet.data.folder import class_files, class_names
from rlnet.data.image_files import reader_like
from rlnet.data.lazy import LazyImages


class TinyImageNetC(CorruptedSet):
    """Images decoded when they are indexed; sorted by class, not in the order of the clean test set."""

    @staticmethod
    def place(folder: Path, name: str) -> Path:
        return folder / name

    def files(self, name: str, severity: int) -> list[Path]:
        return class_files(self._part(name, severity)).paths

    def check(self, name: str, severity: int) -> None:
        part = self._part(name, severity)
        if not part.is_dir():
            raise ValueError(f"{part} is missing: unpack the official files again")
        if (classes := class_names(part)) != self.classes:
            raise ValueError(
                f"{part} has {len(classes)} classes and the data set {len(self.classes)}, which differ in"
                f" {sorted(set(classes) ^ set(self.classes))}: use the corrupted images of this data set"
            )

    def read(self, name: str, severity: int) -> ImageSet:
        files = class_files(self._part(name, severity))
        images = LazyImages(files.paths, reader_like(files.paths[0], None, mixed_gray=True))
        if images.shape[1:] != self.image_shape:
            _, height, width = self.image_shape
            raise ValueError(
                f"{files.paths[0]} has {images.shape[3]}x{images.shape[2]} pixels, but the data set's images have"
                f" {width}x{height}: use both in the size they were published in"
            )
        return ImageSet(images, torch.tensor(files.labels))

    def _part(self, name: str, severity: int) -> Path:
        return self.place(self.folder, name) / str(severity)
