"""Images for a run, and their labels: from a .npz file, from a folder of pictures, or random."""

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
DEEP = ("I", "F")  # Pillow's modes of more than 8 bits, which it converts by cutting off what is above 255
MAX_ELEMENTS = 2**30
CALIBRATION_IMAGES = 16  # random ones, where there are no others to choose comparison bits by
CALIBRATION_SEED = 2**31
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Images:
    """images: float32 (N, C, H, W) in [0, 1]; labels: int64 (N,), or None where nobody gave them."""

    images: np.ndarray
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int | None) -> "Images":
        """The first `count`; all without one."""
        return Images(self.images[:count], None if self.labels is None else self.labels[:count])

    @property
    def sha256(self) -> str:
        """Of the shape and the values, in whatever kind of file they were."""
        words = repr(self.images.shape).encode() + np.ascontiguousarray(self.images, "<f4").tobytes()
        return hashlib.sha256(words).hexdigest()

    def check_classes(self, classes: int, place: Path | None) -> None:
        """Raises ValueError for a label that a network of so many classes cannot give. place: where labels were read."""
        if self.labels is not None and len(self.labels) and self.labels.max() >= classes:
            raise ValueError(
                f"{place}: there is a label {self.labels.max()}, and the network has {classes} classes, 0 to {classes - 1}; "
                "give the labels of its classes"
            )


def load(path: Path, labels: Path | None = None, shape: Shape | None = None) -> Images:
    """The images at `path`, a .npz file or a folder; `labels` is a file of their labels if they are elsewhere.

    shape: (C, H, W) that the network takes; None takes what is there. Raises ValueError, naming file and remedy.
    """
    path = Path(path)
    images, found = _from_folder(path, shape) if path.is_dir() else _from_npz(path, shape)
    if labels is not None:
        found = _labels_file(Path(labels))
    return Images(images, None if found is None else _checked_labels(found, len(images), path if labels is None else labels))


def random_images(n: int, shape: Shape, seed: int) -> np.ndarray:
    """float32 (n, *shape), uniform in [0, 1]."""
    return np.random.default_rng(seed).random((n, *shape), dtype=np.float32)


def _from_npz(path: Path, shape: Shape | None) -> tuple[np.ndarray, np.ndarray | None]:
    arrays = _arrays(path)
    if "images" not in arrays:
        held = ", ".join(sorted(arrays)) or "nothing"
        raise ValueError(
            f"{path} holds {held}, no array called 'images'; save it with numpy.savez(file, images=..., labels=...)"
        )
    images = _scaled(arrays["images"], path)
    return _channels_first(images, shape, path), arrays.get("labels")


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays `images` and `labels` of a .npz file; other entries are named but not read."""
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream):  # which refuses what is no archive
            stream.seek(0)
            file = np.load(stream, allow_pickle=False)
            return {name: file[name] if name in ("images", "labels") else np.empty(0) for name in file.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError, NotImplementedError) as error:
        raise ValueError(f"{path} is not a .npz file of plain arrays, or damaged; save it with numpy.savez") from error


def _scaled(images: np.ndarray, path: Path) -> np.ndarray:
    """float32 in [0, 1]."""
    if images.ndim != 4 or not images.size or images.size > MAX_ELEMENTS:
        raise ValueError(f"{path}: images have shape {images.shape}; give (N, C, H, W)")
    if images.dtype == np.uint8:
        return images.astype(np.float32) / 255
    if not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"{path}: images are {images.dtype}; give uint8 of 0 to 255 or floats of 0 to 1")
    if not np.isfinite(images).all():
        raise ValueError(f"{path}: images hold NaN or infinite values; give floats of 0 to 1")
    low, high = images.min(), images.max()
    if low < 0 or high > 1:
        raise ValueError(f"{path}: images range from {low:.6g} to {high:.6g}; give floats of 0 to 1, not normalised, or uint8")
    return images.astype(np.float32)


def _channels_first(images: np.ndarray, shape: Shape | None, path: Path) -> np.ndarray:
    """(N, C, H, W) of images that may be (N, H, W, C)."""
    found = images.shape[1:]
    if shape is None:
        last = found[2] in (1, 3) and found[0] not in (1, 3)
    else:
        last = found != tuple(shape) and found == (*shape[1:], shape[0])
        if not last and found != tuple(shape):
            raise ValueError(
                f"{path}: images have shape {found}, the network takes (C, H, W) = {tuple(shape)}; resize them to it"
            )
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if last else images


def _from_folder(path: Path, shape: Shape | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Pictures of a folder; sub-folders in sorted order are classes 0, 1, ..."""
    classes = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    files = [(file, i) for i, folder in enumerate(classes) for file in _pictures(folder)]
    flat = [] if classes else [(file, -1) for file in _pictures(path)]
    if not files and not flat:
        raise ValueError(f"{path} holds no pictures ({', '.join(PICTURES)}), nor a folder of them for each class")
    images = [_picture(file, shape) for file, _ in files or flat]
    other = next((i for i, image in enumerate(images) if image.shape != images[0].shape), None)
    if other is not None:
        sizes = f"{images[0].shape} and {images[other].shape}"
        raise ValueError(f"{path}: pictures have different shapes, {sizes}; resize them to one")
    return np.stack(images), np.array([label for _, label in files]) if files else None


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES)


def _picture(file: Path, shape: Shape | None) -> np.ndarray:
    """float32 (C, H, W) in [0, 1]; grey where the network takes one channel, else RGB."""
    try:
        with Image.open(file) as picture:
            wanted = "L" if shape and shape[0] == 1 else "RGB"
            if shape and (picture.height, picture.width) != tuple(shape[1:]):
                size = f"{picture.height} x {picture.width}"
                raise ValueError(f"{file} has {size} pixels, the network takes {shape[1]} x {shape[2]}; resize it")
            if picture.mode.startswith(DEEP):
                raise ValueError(
                    f"{file} has more than 8 bits a channel ({picture.mode}), which would be cut off; save it with 8"
                )
            pixels = np.asarray(picture.convert(wanted), np.float32) / 255
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, OSError) as error:
        raise ValueError(f"{file} is no picture, or damaged; remove it from the folder") from error
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _labels_file(path: Path) -> np.ndarray:
    """Labels of a .npy, a .npz (array `labels`) or a text file with one number per line."""
    if path.suffix == ".npz":
        arrays = _arrays(path)
        if "labels" not in arrays:
            raise ValueError(f"{path} holds no array called 'labels'; save it with numpy.savez(file, labels=...)")
        return arrays["labels"]
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        return np.array([int(line) for line in path.read_text().split()])
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is no file of labels; give .npy, .npz, or text with one whole number per line") from error


def _checked_labels(labels: np.ndarray, count: int, path: Path) -> np.ndarray:
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (count,):
        raise ValueError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape}; give {count} whole numbers, one per image"
        )
    if labels.min() < 0 or labels.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{path}: there is a label {labels.min()}; labels are the numbers of classes, from 0")
    return labels.astype(np.int64)
