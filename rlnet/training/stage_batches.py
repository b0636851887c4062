"""The training batches of a stage: this rank's part, with as many worker processes as suit the device."""

from rlnet.data import Dataset
from rlnet.data.batches import TrainingBatches, default_workers
from rlnet.data.config import AugMixConfig
from rlnet.training import distributed
from rlnet.training.device import Compute


def stage_batches(
    data: Dataset,
    batch_size: int,
    seed: int,
    workers: int,
    compute: Compute,
    augmix: AugMixConfig | None = None,
    crop_augmented_separately: bool = False,
) -> TrainingBatches:
    """Batches of the training images. workers: processes that make them; -1 decides by the machine. augmix: of the augmented
    view; None makes none. Raises ValueError for a batch size that the ranks cannot share."""
    return TrainingBatches(
        data,
        data.train,
        batch_size=batch_size,
        seed=seed,
        augmented=augmix is not None,
        augmix=augmix or AugMixConfig(),
        workers=default_workers(compute.device.type) if workers < 0 else workers,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
        crop_augmented_separately=crop_augmented_separately,
    )
