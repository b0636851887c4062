"""Data sets and training batches: `load` reads a data set by name; see batches.py for what training is fed."""

from dataclasses import replace

from rlnet.data.config import DataConfig
from rlnet.data.dataset import Dataset, ImageSet, Source, channel_statistics
from rlnet.data.digits import digits
from rlnet.data.folder import folder
from rlnet.data.randomness import generator
from rlnet.data.splits import hold_out, limit
from rlnet.data.tiny_imagenet import tiny_imagenet
from rlnet.data.torchvision_sets import cifar10, cifar100, svhn

__all__ = ["DataConfig", "Dataset", "ImageSet", "load"]

SOURCES = {
    "digits": digits,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "svhn": svhn,
    "tiny-imagenet": tiny_imagenet,
    "folder": folder,
}
CROP_PADDING_FRACTION = 8


def load(config: DataConfig, seed: int) -> Dataset:
    """The data set that config names, its training images split by seed into training and validation.

    train_limit is drawn by the seed, before the split; the test set is the same for every seed and decides
    nothing else.
    Raises ValueError for settings out of range, and for missing or unusable files.
    """
    check(config)
    source = limited(SOURCES[config.name](config), config, seed)
    kept, held_out = hold_out(source.train.labels, source.classes, config.validation, generator(seed, "validation"))
    train = source.train.subset(kept)
    mean, std = (source.mean, source.std) if source.mean else channel_statistics(train.images)
    shorter_side = min(train.images.shape[2:])
    padding = shorter_side // CROP_PADDING_FRACTION if config.crop_padding is None else config.crop_padding
    if padding >= shorter_side:
        raise ValueError(f"crop_padding is {padding}: use less than the image's shorter side, {shorter_side}")
    return Dataset(
        name=config.name,
        train=train,
        validation=source.train.subset(held_out),
        test=source.test,
        classes=source.classes,
        mean=mean,
        std=std,
        flip=source.flip if config.flip is None else config.flip,
        crop_padding=padding,
    )


def check(config: DataConfig) -> None:
    """Raises ValueError for a setting that no data set could have."""
    if config.name not in SOURCES:
        raise ValueError(f"data set {config.name!r} is unknown: use one of {', '.join(SOURCES)}")
    if not 0 < config.validation < 1:
        raise ValueError(f"validation is {config.validation}: use a fraction between 0 and 1, such as 0.1")
    if config.image_size is not None and config.name != "folder":
        raise ValueError(f"image_size is {config.image_size}, but {config.name} has one size: use it with name=folder only")
    if config.image_size is not None and config.image_size < 1:
        raise ValueError(f"image_size is {config.image_size}: use a side in pixels, such as 32")
    if config.crop_padding is not None and config.crop_padding < 0:
        raise ValueError(f"crop_padding is {config.crop_padding}: use 0 or more pixels")


def limited(source: Source, config: DataConfig, seed: int) -> Source:
    """The source with train_limit and test_limit applied. Raises ValueError for a limit out of range."""
    train, test = source.train, source.test
    if config.train_limit is not None:
        rng = generator(seed, "train limit")
        train = train.subset(limit(train.labels, source.classes, config.train_limit, "train_limit", rng))
    if config.test_limit is not None:
        rng = generator(0, "test limit")
        test = test.subset(limit(test.labels, source.classes, config.test_limit, "test_limit", rng))
    return replace(source, train=train, test=test)
