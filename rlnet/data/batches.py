"""Batches for training and evaluation, the same for any number of workers and ranks."""

import os
from collections.abc import Iterator

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from rlnet.data.batch import Batch, BatchMaker
from rlnet.data.config import AugMixConfig
from rlnet.data.dataset import Dataset, ImageSet

__all__ = ["Batch", "TrainingBatches", "default_workers", "evaluation_batch", "evaluation_batches"]

MAX_WORKERS = 8
PREFETCH_BATCHES = 4


class Steps:
    """The (epoch, step) pairs still to come, read anew by each pass of a DataLoader."""

    def __init__(self, per_epoch: int) -> None:
        self.per_epoch = per_epoch
        self.epoch = 0
        self.start = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([(self.epoch, step) for step in range(self.start, self.per_epoch)])

    def __len__(self) -> int:
        return self.per_epoch - self.start


class TrainingBatches:
    """The training batches of one rank: `epoch(e)` yields `steps_per_epoch` of them.

    batch_size is over all ranks. An epoch's last images that fill no batch are left out; a set smaller than a batch is
    one batch. workers: processes that make batches ahead (`default_workers`); 0 makes each when it is asked for.
    augmented: whether batches have x_augmented, of the same crop as x unless crop_augmented_separately.
    Raises ValueError.
    """

    def __init__(
        self,
        dataset: Dataset,
        images: ImageSet,
        *,
        batch_size: int,
        seed: int,
        augmented: bool,
        augmix: AugMixConfig,
        workers: int,
        rank: int = 0,
        world_size: int = 1,
        crop_augmented_separately: bool = False,
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise ValueError(f"batch_size is {batch_size}: use a multiple of the {world_size} processes")
        if len(images) < world_size:
            raise ValueError(f"{len(images)} images cannot be shared by {world_size} processes: use more images")
        if workers < 0:
            raise ValueError(f"workers is {workers}: use 0 (no worker processes) or more")
        batch_size = min(batch_size, len(images) // world_size * world_size)
        self.maker = BatchMaker(
            images,
            dataset.crop_padding,
            dataset.flip,
            batch_size,
            seed,
            augmix if augmented else None,
            rank,
            world_size,
            crop_augmented_separately,
        )
        self.steps_per_epoch = len(images) // batch_size
        self.steps = Steps(self.steps_per_epoch)
        self.loader = _loader(self.maker, self.steps, workers) if workers else None

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from start_step on. Only one epoch may be under way at a time."""
        assert 0 <= start_step <= self.steps_per_epoch, start_step
        self.steps.epoch, self.steps.start = epoch, start_step
        if self.loader is not None:
            # Workers are forked at the first epoch. OpenCV's thread pool does not survive that: its next use hangs.
            cv2.setNumThreads(1)
            yield from self.loader
        else:
            yield from (self.maker[step] for step in self.steps)


def _loader(maker: BatchMaker, steps: Steps, workers: int) -> DataLoader:
    return DataLoader(
        maker,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        prefetch_factor=PREFETCH_BATCHES,
        persistent_workers=True,
        pin_memory=torch.cuda.is_available(),
    )


def default_workers(device_type: str) -> int:
    """Worker processes that keep a device of this type ("cpu", "cuda", ...) busy.

    Crop and AugMix take some 0.25 ms per 32x32 image. A training step on a CPU takes about 7 ms per image and needs the
    cores, so none; one on a GPU takes about 0.1 ms per image, so all cores of this process's share but one, up to 8.
    """
    if device_type == "cpu":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(0, min(MAX_WORKERS, share - 1))


def evaluation_batch(images: ImageSet, index: Tensor) -> tuple[Tensor, Tensor]:
    """x float32 in [0, 1] (B, C, H, W) and labels (B,) of the images index (B,)."""
    x = images.images[index]
    return x.float() / 255 if x.dtype == torch.uint8 else x.float(), images.labels[index]


def evaluation_batches(
    images: ImageSet, batch_size: int, rank: int = 0, world_size: int = 1
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(x float32 in [0, 1] (B, C, H, W), labels (B,), index (B,)) of every image once, in order.

    Batches are the same for any world_size; rank r takes batches r, r + world_size, ...
    """
    for index in torch.arange(len(images)).split(batch_size)[rank::world_size]:
        yield (*evaluation_batch(images, index), index)
