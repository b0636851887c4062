"""Which images an experiment uses, how they are cut up, and how they are augmented."""

from dataclasses import dataclass
from pathlib import Path

from rlnet.data.files.layout import find

NAMES = ("digits", "cifar10", "cifar100", "svhn", "tiny-imagenet", "folder")
LEAST_LEVEL = 0.1


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

    @property
    def title(self) -> str:
        """What tells this data set from others: its name, and the place of one that is a folder."""
        return f"folder:{self.root}" if self.name == "folder" else self.name

    def check_files(self) -> None:
        """Raises ValueError for a setting that no data set could have, and for a folder that cannot be read in one way."""
        check(self)
        if self.name == "folder":
            find(Path(self.root))


def check(config: DataConfig) -> None:
    """Raises ValueError for a setting that no data set could have."""
    if config.name not in NAMES:
        raise ValueError(f"data set {config.name!r} is unknown: use one of {', '.join(NAMES)}")
    if not 0 < config.validation < 1:
        raise ValueError(f"validation is {config.validation}: use a fraction between 0 and 1, such as 0.1")
    if config.image_size is not None and config.name != "folder":
        raise ValueError(f"image_size is {config.image_size}, but {config.name} has one size: use it with name=folder only")
    if config.image_size is not None and config.image_size < 1:
        raise ValueError(f"image_size is {config.image_size}: use a side in pixels, such as 32")
    if config.crop_padding is not None and config.crop_padding < 0:
        raise ValueError(f"crop_padding is {config.crop_padding}: use 0 or more pixels")


@dataclass(frozen=True)
class AugMixConfig:
    """The parameters of AugMix.

    Args:
        width: How many chains of operations are mixed.
        depth: Operations in each chain; -1: one to three, at random.
        severity: Upper end of an operation's strength, which is uniform in [0.1, severity]; at most 10.
        alpha: Parameter of the Dirichlet and Beta distributions that weigh the chains and the image.
    """

    width: int = 3
    depth: int = -1
    severity: float = 3.0
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"AugMix width is {self.width}: use 1 or more chains")
        if self.depth != -1 and self.depth < 1:
            raise ValueError(f"AugMix depth is {self.depth}: use 1 or more operations, or -1 for one to three")
        if not LEAST_LEVEL <= self.severity <= 10:
            raise ValueError(f"AugMix severity is {self.severity}: use a number from {LEAST_LEVEL} to 10")
        if not self.alpha > 0:
            raise ValueError(f"AugMix alpha is {self.alpha}: use a number above 0")
