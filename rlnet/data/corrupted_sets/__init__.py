"""The official corrupted test sets: CIFAR-10-C, CIFAR-100-C and Tiny-ImageNet-C, where their files are present.

Hendrycks & Dietterich 2019, Sec. 3. `official` finds those of a data set; each layout is a file.
"""

from pathlib import Path

from rlnet.data.config import DataConfig
from rlnet.data.corrupted_sets.cifar_c import CifarC
from rlnet.data.corrupted_sets.corrupted_set import CorruptedSet
from rlnet.data.corrupted_sets.tiny_imagenet_c import TinyImageNetC

__all__ = ["CorruptedSet", "official"]

FOLDERS = {"cifar10": "CIFAR-10-C", "cifar100": "CIFAR-100-C", "tiny-imagenet": "Tiny-ImageNet-C"}
LAYOUTS: dict[str, type[CorruptedSet]] = {"cifar10": CifarC, "cifar100": CifarC, "tiny-imagenet": TinyImageNetC}
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def official(
    config: DataConfig, classes: tuple[str, ...], image_shape: tuple[int, int, int], folder: Path | None = None
) -> CorruptedSet | None:
    """The official corrupted test set of a data set with these classes and images (C, H, W); None where there is none.

    folder: where its files lie; None: in CIFAR-10-C, CIFAR-100-C or Tiny-ImageNet-C beside the data set's own, if that folder
    exists. With a folder, other data sets of the same classes in the same order have one too, such as CIFAR-10 as image files.
    config.test_limit is drawn from the labels as it is from those of the clean test set. No image is read yet.
    Raises ValueError for files that are missing or malformed, or of other classes or another size.
    """
    if folder is None:
        if config.name not in FOLDERS or not (folder := Path(config.root) / FOLDERS[config.name]).is_dir():
            return None
    elif not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: name the one that CIFAR-10-C or the like was unpacked to")
    layout = LAYOUTS.get(config.name) or (CifarC if any(folder.glob("*.npy")) else TinyImageNetC)
    if layout is CifarC and config.name not in LAYOUTS and classes != CIFAR10_CLASSES:
        raise ValueError(
            f"{folder} numbers its classes and does not name them: use it with cifar10, cifar100 or a data set of the classes"
            f" {', '.join(CIFAR10_CLASSES)}; {config.name} has {', '.join(classes)}"
        )
    return layout.open(folder, classes, image_shape, config.test_limit)
