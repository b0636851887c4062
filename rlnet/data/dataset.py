"""Images in memory or on disk, with labels, in a training, a validation and a test part."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rlnet.data.lazy import LazyImages

STATISTICS_CHUNK = 1024
LAZY_STATISTICS = 10_000


@dataclass(frozen=True)
class ImageSet:
    """N images and their classes; `images[indices]` is uint8 RGB (B, C, H, W), from memory or decoded then.

    Images of other code may also be floats in [0, 1]; they can be evaluated, not trained on.
    """

    images: Tensor | LazyImages
    labels: Tensor

    def __post_init__(self) -> None:
        assert len(self.images) == len(self.labels) and self.labels.dtype == torch.int64

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """A text that changes with the images, their order and their labels; of files on disk by name, size and time."""
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
    """What a data set's files hold, before any choice of the user; mean and std of [0, 1] pixels if published."""

    train: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    flip: bool
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """A data set ready for training; mean and std, per channel of [0, 1] pixels, are for the network to normalise."""

    name: str
    train: ImageSet
    validation: ImageSet
    test: ImageSet
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    crop_padding: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


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
