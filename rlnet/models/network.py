"""What every network of the project is: images float [0, 1] in, logits out, one batch-norm path per mode."""

import torch
from torch import Tensor, nn

from rlnet.models.batch_norm import ModeBatchNorm2d, NormedConv2d


class ModeNetwork(nn.Module):
    """Base of the networks: normalises its input, then computes `logits` along the batch-norm path of a mode.

    mean, std: per channel, of [0, 1] pixels. A subclass defines `logits(x)` and `stage_sites`, the names of the ReLU sites
    at which its stages end.
    """

    stage_sites: tuple[str, ...]

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def take(self, mode: str) -> None:
        """Chooses the batch-norm path of the forward passes that follow."""
        for module in self.modules():
            if isinstance(module, ModeBatchNorm2d):
                module.take(mode)

    def forward(self, x: Tensor, mode: str = "normal") -> Tensor:
        """Logits (B, K) of images x (B, C, H, W) in [0, 1]. mode: "normal" or "adversarial", or in training a view."""
        if not self.is_frozen:
            self.take(mode)
        return self.logits((x - self.mean) / self.std)

    @property
    def is_frozen(self) -> bool:
        """Whether the network is within `frozen`, which has fixed the mode."""
        return any(module.folded is not None for module in self.modules() if isinstance(module, NormedConv2d))

    def logits(self, x: Tensor) -> Tensor:
        raise NotImplementedError
