"""Images in memory or on disk, with labels, in a training, a validation and a test part."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rlnet.data.identity.class_print import of_pixels
from rlnet.data.identity.fingerprint import Fingerprint
from rlnet.data.lazy import LazyImages

STATISTICS_CHUNK = 1024
LAZY_STATISTICS = 10_000


@dataclass(frozen=True)
class ImageSet:
    """N images and their classes; `images[indices]` is uint8 RGB (B, C, H, W), from memory or decoded then.

    labels: int64 (N,). Images of other code may also be floats in [0, 1]; they can be evaluated, not trained on.
    Raises ValueError for labels and images of other types.
    """

    images: Tensor | LazyImages
    labels: Tensor

    def __post_init__(self) -> None:
        labels, n = self.labels, len(self.images)
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
            what = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else f"a {type(labels).__name__}"
            raise ValueError(f"labels are {what}; the numbers of the classes are needed, a tensor int64 (N,): labels.long()")
        if len(labels) != n:
            raise ValueError(f"there are {n} images and {len(labels)} labels; each image needs one")
        if not isinstance(self.images, Tensor | LazyImages):
            raise ValueError(f"images are a {type(self.images).__name__}; give a tensor (N, C, H, W): torch.from_numpy(images)")
        if isinstance(self.images, Tensor) and self.images.dtype != torch.uint8 and not self.images.is_floating_point():
            raise ValueError(f"images are {self.images.dtype}; give uint8 from 0 to 255, or floats in [0, 1]")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """A text that changes with the images, their order and their labels."""
        digest = hashlib.sha256(self.labels.numpy().tobytes())
        if isinstance(self.images, Tensor):
            digest.update(str(self.images.dtype).encode() + self.images.contiguous().numpy().tobytes())
        else:
            digest.update(self.images.fingerprint.encode())
        return digest.hexdigest()

    def subset(self, indices: Tensor) -> "ImageSet":
        """The images of indices (B,), in that order."""
        images = self.images.subset(indices) if isinstance(self.images, LazyImages) else self.images[indices]
        return ImageSet(images, self.labels[indices])


@dataclass(frozen=True)
class Source:
    """What a data set's files hold, before any choice of the user; mean and std of [0, 1] pixels if published.

    validation: images of its own to select checkpoints, if it has any. leaks, notes: see `Dataset`.
    """

    train: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    flip: bool
    fingerprint: Fingerprint
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    validation: ImageSet | None = None
    leaks: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A data set ready for training; mean and std, per channel of [0, 1] pixels, are for the network to normalise.

    fingerprint: of all images that its files hold, whether or not they are used here; one made by hand has that of no files.
    leaks: a sentence on test images that are copies of training images, if there are any. notes: what else should be said.
    """

    name: str
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    crop_padding: int
    fingerprint: Fingerprint = Fingerprint({})
    leaks: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def about(self) -> dict[str, Any]:
        """What a card says of the images: their fingerprint, how many are used for what, and copies in the test set."""
        counts = {part: len(getattr(self, part)) for part in ("train", "validation", "test")}
        return {"fingerprint": self.fingerprint.digest, **counts} | ({} if self.leaks is None else {"leaks": self.leaks})

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


def fingerprint_of_pixels(train: ImageSet, test: ImageSet, classes: tuple[str, ...]) -> Fingerprint:
    """Of images in memory that are not files of their own; 0.2 s for CIFAR-10's 60,000."""
    parts = {"train": train, "test": test}
    return Fingerprint({name: of_pixels(part.images.numpy(), part.labels.numpy(), classes) for name, part in parts.items()})


def channel_statistics(images: Tensor | LazyImages) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel's [0, 1] pixels, exact by histogram.

    Of images that are decoded on demand, every n-th is read, 10,000 to 20,000 of them. Raises ValueError for a constant
    channel.
    """
    step = max(1, len(images) // LAZY_STATISTICS) if isinstance(images, LazyImages) else 1
    indices = torch.arange(0, len(images), step)
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for chunk in indices.split(STATISTICS_CHUNK):
        for channel, pixels in enumerate(images[chunk].unbind(1)):
            counts[channel] += torch.bincount(pixels.flatten(), minlength=256)
    values = torch.arange(256, dtype=torch.float64) / 255
    weights = counts / counts.sum(1, keepdim=True).double()
    mean = weights @ values
    std = (weights * (values - mean[:, None]) ** 2).sum(1).sqrt()
    if (std == 0).any():
        raise ValueError("a colour channel has one value in all training images: they cannot be normalised; check the files")
    return tuple(mean.tolist()), tuple(std.tolist())
