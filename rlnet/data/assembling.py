"""From what a data set's files hold to what is trained on: limits, held-out images, statistics, crops."""

from pathlib import Path

from rlnet.data.config import DataConfig
from rlnet.data.dataset import Dataset, ImageSet, Source, channel_statistics
from rlnet.data.files.shown import shown
from rlnet.data.randomness import generator
from rlnet.data.splits import hold_out, limit

CROP_PADDING_FRACTION = 8


def assembled(source: Source, config: DataConfig, seed: int) -> Dataset:
    """The data set of a source as config cuts it up, its held-out images drawn by seed if it brings none of its own.

    train_limit is drawn by the seed, before images are held out; the test set is the same for every seed and decides
    nothing else. Raises ValueError for settings out of range.
    """
    train, validation = _training(source, config, seed)
    mean, std = (source.mean, source.std) if source.mean else channel_statistics(train.images)
    shorter_side = min(train.images.shape[2:])
    padding = shorter_side // CROP_PADDING_FRACTION if config.crop_padding is None else config.crop_padding
    if padding >= shorter_side:
        raise ValueError(f"crop_padding is {padding}: use less than the image's shorter side, {shorter_side}")
    return Dataset(
        name=config.name,
        train=train,
        validation=validation,
        test=_limited(source.test, source.classes, config.test_limit, "test_limit", seed=0),
        classes=source.classes,
        mean=mean,
        std=std,
        flip=source.flip if config.flip is None else config.flip,
        crop_padding=padding,
        fingerprint=source.fingerprint,
        leaks=source.leaks,
        notes=source.notes,
    )


def _training(source: Source, config: DataConfig, seed: int) -> tuple[ImageSet, ImageSet]:
    """The images to train on and the held-out ones. Raises ValueError."""
    if source.validation is not None and config.validation != DataConfig().validation:
        raise ValueError(
            f"validation is {config.validation}, but {shown(Path(config.root))} has validation images of its own: leave the"
            " setting out, or move that folder away to hold out a fraction of the training images"
        )
    train = _limited(source.train, source.classes, config.train_limit, "train_limit", seed)
    if source.validation is not None:
        return train, source.validation
    kept, held_out = hold_out(train.labels, source.classes, config.validation, generator(seed, "validation"))
    return train.subset(kept), train.subset(held_out)


def _limited(images: ImageSet, classes: tuple[str, ...], count: int | None, field: str, seed: int) -> ImageSet:
    """At most `count` images, balanced over classes. Raises ValueError for a count out of range."""
    if count is None:
        return images
    rng = generator(seed, field.replace("_", " "))
    return images.subset(limit(images.labels, classes, count, field, rng))
