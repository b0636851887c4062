"""One training batch: crop, mirror image and AugMix, each decided by (seed, epoch, index) alone."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rlnet.data.augmix import augmix
from rlnet.data.config import AugMixConfig
from rlnet.data.crop import crop_flip
from rlnet.data.dataset import ImageSet
from rlnet.data.randomness import generator


@dataclass(frozen=True)
class Batch:
    """One rank's part of one training step.

    index: int64 (B,), of the images in their set; labels: int64 (B,); x: uint8 (B, C, H, W), cropped and mirrored;
    x_augmented: AugMix of x, float32 in [0, 1], or None.
    """

    index: Tensor
    x: Tensor
    x_augmented: Tensor | None
    labels: Tensor

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory, from where copies to a GPU are not waited for; DataLoader calls it."""
        augmented = None if self.x_augmented is None else self.x_augmented.pin_memory()
        return Batch(self.index.pin_memory(), self.x.pin_memory(), augmented, self.labels.pin_memory())


class BatchMaker:
    """Makes the batch of any (epoch, step); a pure function of these and the settings.

    1. Step s of an epoch takes permutation[s B : (s + 1) B], B images over all ranks; rank r takes the r-th of
       world_size equal parts of these.
    2. Each image is cropped and mirrored as the draws for (seed, epoch, index) say.
    3. AugMix draws from a generator of its own for (seed, epoch, index).
    """

    def __init__(
        self,
        images: ImageSet,
        crop_padding: int,
        flip: bool,
        batch_size: int,
        seed: int,
        augmix_config: AugMixConfig | None,
        rank: int,
        world_size: int,
        crop_augmented_separately: bool,
    ) -> None:
        self.images = images
        self.crop_padding = crop_padding
        self.flip = flip
        self.batch_size = batch_size
        self.seed = seed
        self.augmix_config = augmix_config
        self.rank = rank
        self.world_size = world_size
        self.crop_augmented_separately = crop_augmented_separately
        self.drawn: tuple[int, dict[str, np.ndarray]] = (-1, {})

    def __getitem__(self, epoch_and_step: tuple[int, int]) -> Batch:
        epoch, step = epoch_and_step
        draws = self.draws(epoch)
        # 1. Which images.
        share = self.batch_size // self.world_size
        start = step * self.batch_size + self.rank * share
        index = draws["permutation"][start : start + share].copy()  # a view would drag all of it to the main process
        labels = self.images.labels[index]
        # 2. Crop and mirror.
        raw = self.images.images[torch.from_numpy(index)]
        x = self.cropped(raw, draws["crop"][index])
        if self.augmix_config is None:
            return Batch(torch.from_numpy(index), x, None, labels)
        # 3. AugMix.
        base = self.cropped(raw, draws["augmented crop"][index]) if self.crop_augmented_separately else x
        return Batch(torch.from_numpy(index), x, self.augmented(base, epoch, index), labels)

    def draws(self, epoch: int) -> dict[str, np.ndarray]:
        """The epoch's permutation (N,) and, for the crops of all N images, draws in [0, 1), (N, 3); kept."""
        if self.drawn[0] != epoch:
            count = len(self.images)
            permutation = generator(self.seed, "permutation", epoch).permutation(count)
            crops = {s: generator(self.seed, s, epoch).random((count, 3)) for s in ("crop", "augmented crop")}
            self.drawn = (epoch, {"permutation": permutation, **crops})
        return self.drawn[1]

    def cropped(self, raw: Tensor, draws: np.ndarray) -> Tensor:
        """raw (B, C, H, W), cropped and mirrored with a random corner and side each."""
        return crop_flip(raw, draws, self.crop_padding, self.flip)

    def augmented(self, x: Tensor, epoch: int, index: np.ndarray) -> Tensor:
        """AugMix of x, uint8 (B, C, H, W): float32 (B, C, H, W) in [0, 1]."""
        images = x.movedim(1, 3).contiguous().numpy()
        mixed = np.empty(images.shape, dtype=np.float32)
        for image, out, i in zip(images, mixed, index, strict=True):
            out[...] = augmix(image, generator(self.seed, "augmix", epoch, int(i)), self.augmix_config)
        return torch.from_numpy(mixed).movedim(3, 1).contiguous()
