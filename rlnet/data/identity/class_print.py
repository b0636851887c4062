"""What tells the images of one class of one part of a data set from others: how many there are and a digest of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from rlnet.data.files.class_files import ClassFiles

DIGEST_BYTES = 8


@dataclass(frozen=True)
class ClassPrint:
    """images: how many there are; digest: 16 hexadecimal digits that change with their names, their contents or their order."""

    images: int
    digest: str


Classes = Mapping[str, ClassPrint]
"""The classes of one part, in their order."""


def of_files(part: ClassFiles, digests: np.ndarray) -> Classes:
    """Images that are files, from the digests (N, 16) of their contents."""

    def pieces(rows: np.ndarray) -> Iterator[bytes]:
        yield b"".join(name + b"\0" for name in part.files.subset(rows).names())
        yield digests[rows].tobytes()

    return _by_class(part.labels, part.classes, pieces)


def of_pixels(images: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> Classes:
    """Images (N, C, H, W), uint8, that are not files of their own; in place of a name, an image has its number."""

    def pieces(rows: np.ndarray) -> Iterator[bytes]:
        yield f"{images.shape[1:]}".encode() + rows.astype(np.int64).tobytes()
        yield images[rows].data

    return _by_class(labels, classes, pieces)


def _by_class(labels: np.ndarray, classes: tuple[str, ...], pieces: Callable[[np.ndarray], Iterator[bytes]]) -> Classes:
    ends = np.cumsum(np.bincount(labels, minlength=len(classes)))
    found = {}
    for name, rows in zip(classes, np.split(np.argsort(labels, kind="stable"), ends[:-1]), strict=True):
        digest = blake2b(digest_size=DIGEST_BYTES)
        for piece in pieces(rows):
            digest.update(piece)
        found[name] = ClassPrint(len(rows), digest.hexdigest())
    return found
