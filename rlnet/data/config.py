"""Which images an experiment uses, and how they are cut up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataConfig:
    """Which images an experiment uses, and how they are cut up.

    Args:
        name: digits, cifar10, cifar100, svhn, tiny-imagenet, or folder (class folders of images).
        root: Where the files lie; for name=folder, the folder that holds the class folders, or train/ and test/.
        image_size: For name=folder: side in pixels to which every image is resized; None: all must be of one size.
        crop_padding: Pixels of zero padding before the random crop; None: an eighth of the image's shorter side.
        flip: Whether training images are mirrored at random; None: as the data set needs (no for digits and svhn).
        validation: Fraction of the training set that is held out to select checkpoints.
        train_limit: Use so many training images (validation included), balanced over classes; None: all.
        test_limit: Use so many test images, balanced over classes, the same for every seed; None: all.
    """

    name: str = "digits"
    root: str = "data"
    image_size: int | None = None
    crop_padding: int | None = None
    flip: bool | None = None
    validation: float = 0.1
    train_limit: int | None = None
    test_limit: int | None = None
