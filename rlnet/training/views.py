"""The views of a training batch: clean, augmented (AugMix) and adversarial (PGD), and the labels that go with each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rlnet.attacks import AttackConfig, pgd_linf
from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork, frozen
from rlnet.models.words import View
from rlnet.seeds import seed_of
from rlnet.training import distributed

AttackLoss = Callable[[Tensor], Tensor]


@dataclass
class Views:
    """Images (B, C, H, W) in [0, 1] and labels (B,) by view. With all views of the same images, the labels are one tensor."""

    images: dict[View, Tensor] = field(default_factory=dict)
    labels: dict[View, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ViewMaker:
    """Makes the views of a batch.

    split_batch: the clean and the augmented view show the first half of the batch, the adversarial one the other half, as in
    the public code of RLNet (its equations say the same x for all three). seed: of the attack's random starts, which depend on
    the epoch, the step and an image's place in the joint batch of all ranks, and on nothing else.
    """

    names: tuple[View, ...]
    attack: AttackConfig
    split_batch: bool
    seed: int
    device: torch.device

    def clean_and_augmented(self, batch: Batch) -> tuple[Views, Tensor, Tensor]:
        """The views that need no attack, and the images (B', C, H, W) and labels (B',) that the attack will start from."""
        x = _to_float(batch.x, self.device)
        labels = batch.labels.to(self.device, non_blocking=True)
        half = len(x) // 2 if self.split_batch and "adversarial" in self.names else len(x)
        views = Views()
        for name in self.names:
            if name == "clean":
                views.images[name] = x[:half]
            elif name == "augmented":
                views.images[name] = _to_float(batch.x_augmented[:half], self.device)
            else:
                continue
            views.labels[name] = labels[:half]
        start = slice(half, None) if half < len(x) else slice(None)
        return views, x[start], labels[start]

    def adversarial(self, network: ModeNetwork, loss: AttackLoss, x: Tensor, epoch: int, step: int) -> Tensor:
        """x_adv = argmax of the loss of the logits along the adversarial path's frozen network, around x (B, C, H, W)."""
        generator = torch.Generator(self.device).manual_seed(seed_of(self.seed, epoch, step))
        ranks, rank = distributed.world_size(), distributed.rank()
        noise = torch.rand((ranks * len(x), *x.shape[1:]), generator=generator, device=self.device)
        noise = noise[rank * len(x) : (rank + 1) * len(x)].contiguous(memory_format=torch.channels_last)
        with frozen(network, "adversarial"):
            return pgd_linf(lambda images: loss(network(images)), x, self.attack, noise)


def forward(network: ModeNetwork, views: Mapping[View, Tensor]) -> dict[View, Tensor]:
    """The logits (B, K) of every view along its own batch-norm path."""
    return {view: network(images, mode=view) for view, images in views.items()}


def _to_float(images: Tensor, device: torch.device) -> Tensor:
    """uint8 or float images as float [0, 1] on the device, channels last."""
    images = images.to(device, non_blocking=True)
    if images.dtype == torch.uint8:
        images = images.float().div_(255)
    return images.contiguous(memory_format=torch.channels_last)
