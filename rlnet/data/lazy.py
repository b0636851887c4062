"""Image files decoded to uint8 (N, C, H, W): all at once where that fits in memory, else when they are asked for."""

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rlnet.data.cache import cached
from rlnet.data.files.decoding import VERSION
from rlnet.data.files.file_list import FileList
from rlnet.data.files.image_files import Reader
from rlnet.data.files.in_threads import in_threads
from rlnet.data.identity.cache_folders import BESIDE
from rlnet.data.identity.contents import content_digest

SMALL_FILE_BYTES = 4096
KEY_BYTES = 16


@dataclass(frozen=True, eq=False)
class LazyImages:
    """N image files that look like a uint8 tensor (N, C, H, W) and are decoded at each access.

    digests: (N, 16), uint8, of what the files hold; None: they are read when somebody asks for the fingerprint.
    """

    files: FileList
    reader: Reader
    digests: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.files)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), 3, self.reader.height, self.reader.width

    def __getitem__(self, indices: Tensor | slice) -> Tensor:
        chosen = torch.arange(len(self))[indices].tolist()
        images = np.empty((len(chosen), *self.shape[1:]), dtype=np.uint8)
        for image, i in zip(images, chosen, strict=True):
            image[...] = self.reader(self.files[i]).transpose(2, 0, 1)
        return torch.from_numpy(images)

    @property
    def fingerprint(self) -> str:
        """Changes with what the files hold, with their order, and with what is made of them."""
        digest = blake2b(f"{VERSION} {self.reader.size}".encode(), digest_size=KEY_BYTES)
        digest.update(b"".join(map(content_digest, self.files.paths())) if self.digests is None else self.digests.tobytes())
        return digest.hexdigest()

    def subset(self, indices: Tensor) -> "LazyImages":
        chosen = indices.numpy()
        return LazyImages(self.files.subset(chosen), self.reader, None if self.digests is None else self.digests[chosen])


def read_images(lazy: LazyImages, root: Path, part: str) -> Tensor | LazyImages:
    """Decoded images, kept as a file in root/.cache; decoded on demand if they would fill half of the free memory."""
    if int(np.prod(lazy.shape)) > available_bytes() // 2:
        return lazy
    name = f"{part}-{lazy.reader.size or 'stored'}"
    images = cached(root / BESIDE, name, lazy.fingerprint, lazy.shape, lambda: decode_all(lazy))
    return torch.from_numpy(images)


def decode_all(lazy: LazyImages) -> np.ndarray:
    """All images, uint8 (N, C, H, W), in threads; a progress bar appears when it takes longer than 2 s."""
    images = np.empty(lazy.shape, dtype=np.uint8)

    def decode(part: slice) -> None:
        images[part] = lazy[part].numpy()

    # Tiny files spend their time in Python, where threads only get into each other's way.
    small = os.stat(lazy.files[0]).st_size < SMALL_FILE_BYTES
    in_threads(decode, len(lazy), f"decoding {len(lazy):,} images", 1 if small else None)
    return images


def available_bytes() -> int:
    """Memory that can be used without swapping; where the system does not tell (no /proc), all of its memory."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
