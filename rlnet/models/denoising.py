"""Feature denoising blocks (Xie et al. 2019, arXiv:1812.03411, Sec. 4): the map, plus a 1x1 convolution of the filtered map.

Without comparisons or divisions by what is secret are "mean" and "dot-product"; the first is a convolution with public weights,
the second multiplies secrets, which no protocol here does for whole maps. "gaussian", the paper's strongest, has a softmax.
"""

from collections.abc import Callable
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlnet.models.elastic import Layers
from rlnet.models.words import BatchNormKind


class MeanFilter(nn.Module):
    """y_i = 1/9 sum_j x_j over the 3x3 places around i, zeros beyond the map; of each channel: (B, C, H, W) -> the same."""

    def __init__(self, c: int):
        super().__init__()
        self.register_buffer("kernel", torch.full((c, 1, 3, 3), 1 / 9), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel.to(x.dtype), padding=1, groups=x.shape[1])

    def macs(self, shape: tuple[int, int, int]) -> int:
        """Multiply-accumulates for an image's map (C, H, W)."""
        c, h, w = shape
        return 9 * c * h * w


class DotProduct(nn.Module):
    """Non-local means with the dot product: y_i = 1/N sum_j (x_i . x_j) x_j over all N = H W places (Eq. 1).

    That is X X^T X / N of the map as X (N, C), computed as X (X^T X).
    """

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)  # X^T
        return ((flat @ flat.transpose(1, 2) / flat.shape[2]) @ flat).view_as(x)

    def macs(self, shape: tuple[int, int, int]) -> int:
        """Multiply-accumulates for an image's map (C, H, W)."""
        c, h, w = shape
        return 2 * c * c * h * w


class Gaussian(nn.Module):
    """Non-local means with a softmax: y_i = sum_j softmax_j(theta(x_i) . phi(x_j) / sqrt(d)) x_j, d = C/2 embedded channels."""

    def __init__(self, c: int):
        super().__init__()
        d = max(1, c // 2)
        self.theta, self.phi = nn.Conv2d(c, d, 1, bias=False), nn.Conv2d(c, d, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        theta, phi = self.theta(x).flatten(2), self.phi(x).flatten(2)
        weights = (theta.transpose(1, 2) @ phi / sqrt(theta.shape[1])).softmax(dim=2)
        return (x.flatten(2) @ weights.transpose(1, 2)).view_as(x)

    def macs(self, shape: tuple[int, int, int]) -> int:
        """Multiply-accumulates for an image's map (C, H, W), beside those of the embeddings."""
        c, h, w = shape
        return (c + self.theta.out_channels) * (h * w) ** 2


FILTERS: dict[str, Callable[[int], nn.Module]] = {
    "mean": MeanFilter,
    "dot-product": lambda c: DotProduct(),
    "gaussian": Gaussian,
}


class DenoisingBlock(nn.Module):
    """y = x + bn(W filter(x)), W 1x1 (Fig. 4): (B, C, H, W) -> the same.

    The batch norm starts with weights of 0, so that a new block is the identity, as in the authors' code.
    """

    def __init__(self, name: str, c: int, kind: BatchNormKind, layers: Layers):
        super().__init__()
        self.filter = FILTERS[name](c)
        self.conv = layers.conv(c, c, 1, kind)
        for path in self.conv.bn.paths.values():
            nn.init.zeros_(path.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(self.filter(x))
