"""Random numbers for attacks on a batch: an image's own, whatever other images are attacked with it."""

import zlib

import torch
from torch import Tensor

from rlnet.seeds import seed_of


class Draws:
    """Random numbers for B images, drawn on the CPU: each call draws for the whole batch and returns the rows asked for.

    An attack drops images that it has already fooled the network on; through `rows` those that are left get the numbers that
    they would have got anyway. seed: of the batch. size: B.
    """

    def __init__(self, seed: int, size: int, device: torch.device | str = "cpu"):
        self.seed, self.size, self.device = seed, size, torch.device(device)
        self._images = torch.arange(size)
        self._generator = torch.Generator().manual_seed(seed)

    def stream(self, name: str, rows: Tensor | None = None) -> "Draws":
        """Draws that depend on the seed and a name only, not on what was drawn before.

        rows: (B',) of the images that they are for; each gets the numbers that it would get in the whole batch. None for all.
        """
        stream = Draws(seed_of(self.seed, zlib.crc32(name.encode())), self.size, self.device)
        stream._images = self._images if rows is None else self._images[rows.cpu()]
        return stream

    def uniform(self, rows: Tensor, *shape: int) -> Tensor:
        """U(0, 1) numbers (B', *shape) for the images rows (B',), in float32 on the device."""
        return torch.rand(self.size, *shape, generator=self._generator)[self._images[rows.cpu()]].to(self.device)
