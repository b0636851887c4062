"""Data sets by name: `load` reads one, cuts it up, and says what should be said of its files."""

import os
import sys

from rlnet.data.assembling import assembled
from rlnet.data.config import DataConfig, check
from rlnet.data.dataset import Dataset
from rlnet.data.digits import digits
from rlnet.data.folder import folder
from rlnet.data.tiny_imagenet import tiny_imagenet
from rlnet.data.torchvision_sets import cifar10, cifar100, svhn

SOURCES = {
    "digits": digits,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "svhn": svhn,
    "tiny-imagenet": tiny_imagenet,
    "folder": folder,
}


def load(config: DataConfig, seed: int) -> Dataset:
    """The data set that config names, its training images split by seed into training and validation.

    What its folders hold beside images that are used, and copies of training images in its test set, are said on stderr.
    Raises ValueError for settings out of range, and for missing or unusable files.
    """
    check(config)
    found = assembled(SOURCES[config.name](config), config, seed)
    if os.environ.get("RANK", "0") == "0":
        for text in (*found.notes, *([] if found.leaks is None else [f"warning: {found.leaks}"])):
            print(text, file=sys.stderr, flush=True)
    return found
