"""The stems of a RobNet: what the first two cells read (Guo et al. 2020, Sec. 4.1 and the code beside it).

cifar: one convolution, whose output is both inputs of the first cell. imagenet: three convolutions of stride 2; the first cell
reads the map after two of them, halved once more, and the one after all three.
"""

from torch import Tensor, nn

from rlnet.models.cell_operations import front
from rlnet.models.elastic import Layers
from rlnet.models.words import BatchNormKind


class Lead(nn.Module):
    """3x3 convolution of stride 2, batch norm, ReLU: (B, c_in, H, W) -> (B, c, H/2, W/2)."""

    def __init__(self, c_in: int, c: int, kind: BatchNormKind, layers: Layers):
        super().__init__()
        self.conv = layers.conv(c_in, c, 3, kind, 2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv(x))


class Second(nn.Module):
    """ReLU, 3x3 convolution of stride 2, batch norm: (B, c, H, W) -> (B, c, H/2, W/2)."""

    def __init__(self, c: int, kind: BatchNormKind, layers: Layers, shared: bool):
        super().__init__()
        self.front = front(shared)
        self.conv = layers.conv(c, c, 3, kind, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.front(x))
