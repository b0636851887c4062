"""Image files decoded to uint8 (N, C, H, W): all at once where that fits in memory, else when they are asked for."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from rlnet.data.cache import cached, file_key
from rlnet.data.image_files import Reader

CHUNK = 256
PROGRESS_AFTER_S = 2.0
SMALL_FILE_BYTES = 4096


@dataclass(frozen=True)
class LazyImages:
    """N image files that look like a uint8 tensor (N, C, H, W) and are decoded at each access."""

    paths: Sequence[Path]
    reader: Reader

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self), 3, self.reader.height, self.reader.width

    def __getitem__(self, indices: Tensor | slice) -> Tensor:
        chosen = torch.arange(len(self))[indices].tolist()
        images = np.empty((len(chosen), *self.shape[1:]), dtype=np.uint8)
        for image, i in zip(images, chosen, strict=True):
            image[...] = self.reader(self.paths[i]).transpose(2, 0, 1)
        return torch.from_numpy(images)

    @property
    def fingerprint(self) -> str:
        """Changes when a file is renamed or rewritten, and with their order."""
        return file_key(self.paths, Path(os.path.commonpath(self.paths)), str(self.reader.size))

    def subset(self, indices: Tensor) -> "LazyImages":
        return LazyImages([self.paths[i] for i in indices.tolist()], self.reader)


def read_images(paths: Sequence[Path], reader: Reader, root: Path) -> Tensor | LazyImages:
    """Decoded images, kept as a file in root/.cache; decoded on demand if they would fill half of the free memory."""
    lazy = LazyImages(paths, reader)
    if int(np.prod(lazy.shape)) > available_bytes() // 2:
        return lazy
    images = cached(root / ".cache", file_key(paths, root, str(reader.size)), lazy.shape, lambda: decode_all(lazy))
    return torch.from_numpy(images)


def decode_all(lazy: LazyImages) -> np.ndarray:
    """All images, uint8 (N, C, H, W), in threads; a progress bar appears when it takes longer than 2 s."""
    images = np.empty(lazy.shape, dtype=np.uint8)
    progress = Progress(console=Console(stderr=True), transient=True)
    task = progress.add_task(f"decoding {len(lazy):,} images", total=len(lazy))
    begin = time.monotonic()

    def decode(start: int) -> int:
        part = slice(start, start + CHUNK)
        decoded = lazy[part].numpy()
        images[part] = decoded
        return len(decoded)

    # Tiny files spend their time in Python, where threads only get into each other's way.
    small = os.stat(lazy.paths[0]).st_size < SMALL_FILE_BYTES
    executor = ThreadPoolExecutor(1 if small else os.cpu_count())
    try:
        for count in executor.map(decode, range(0, len(lazy), CHUNK)):
            progress.advance(task, count)
            if not progress.live.is_started and time.monotonic() - begin > PROGRESS_AFTER_S:
                progress.start()
    finally:
        executor.shutdown(cancel_futures=True)
        if progress.live.is_started:
            progress.stop()
    return images


def available_bytes() -> int:
    """Memory that can be used without swapping; where the system does not tell (no /proc), all of its memory."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
