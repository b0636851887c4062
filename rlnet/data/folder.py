"""Any folder of images: one sub-folder a class, either directly or in train/, test/ and val/; layout.py says which."""

from pathlib import Path

import torch

from rlnet.data.config import DataConfig
from rlnet.data.dataset import ImageSet, Source
from rlnet.data.files.class_files import class_files
from rlnet.data.files.image_files import Reader, reader_like
from rlnet.data.files.layout import WHOLE, Layout, find
from rlnet.data.identity.class_print import of_files
from rlnet.data.identity.contents import digests
from rlnet.data.identity.fingerprint import Fingerprint
from rlnet.data.identity.leaks import Contents, leaks
from rlnet.data.lazy import LazyImages, read_images
from rlnet.data.randomness import generator
from rlnet.data.splits import hold_out

TEST_FRACTION = 0.2


def folder(config: DataConfig) -> Source:
    """The images in config.root. Without test/ or val/, a fifth of each class is the test set, the same for every seed.

    Raises ValueError for what is missing, empty, no image, or unlike the rest in mode or size.
    """
    layout = find(Path(config.root))
    parts = {name: class_files(where, layout.classes) for name, where in layout.folders.items()}
    contents = {name: Contents(part, digests(part.files, layout.root, name)) for name, part in parts.items()}
    first = next(iter(parts.values())).files[0]
    reader = reader_like(first, config.image_size)
    images = {name: _images(found, reader, layout, name) for name, found in contents.items()}
    fingerprint = Fingerprint({name: of_files(found.part, found.digests) for name, found in contents.items()})
    if WHOLE in images:
        whole = images[WHOLE]
        rest, drawn = hold_out(whole.labels, layout.classes, TEST_FRACTION, generator(0, "test split"))
        images = {"train": whole.subset(rest), "test": whole.subset(drawn)}
        contents = {"train": contents[WHOLE].subset(rest.numpy()), "test": contents[WHOLE].subset(drawn.numpy())}
    return Source(
        train=images["train"],
        test=images["test"],
        classes=layout.classes,
        flip=True,
        fingerprint=fingerprint,
        validation=images.get("validation"),
        leaks=leaks(contents),
        notes=() if layout.note is None else (layout.note,),
    )


def _images(found: Contents, reader: Reader, layout: Layout, name: str) -> ImageSet:
    lazy = LazyImages(found.part.files, reader, found.digests)
    return ImageSet(read_images(lazy, layout.root, name), torch.from_numpy(found.part.labels))
