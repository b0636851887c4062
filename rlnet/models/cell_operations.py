"""What the edges of a RobNet cell compute: separable convolutions, strided 1x1 ones, and sums of them (Guo et al. 2020).

Every operation begins with a ReLU, `front`. In the published form that is a module of its own; in the shared form it is none,
and the operation is given what the state's one ReLU made. Between the two, parameters and values are the same.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlnet.models.batch_norm import NormedConv2d
from rlnet.models.elastic import Layers, Members
from rlnet.models.words import BatchNormKind


class OddConv2d(NormedConv2d):
    """A 1x1 convolution of stride 2 at the odd places, y[i, j] = bn(W x[2 i + 1, 2 j + 1]); beyond the map x is 0."""

    def __init__(self, c_in: int, c: int, kind: BatchNormKind, affine: bool):
        super().__init__(c_in, c, 1, kind, stride=2, affine=affine)

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        bottom, right = x.shape[2] % 2, x.shape[3] % 2
        x = F.pad(x, (0, right, 0, bottom)) if bottom or right else x
        return super()._conv_forward(x[:, :, 1:, 1:], weight, bias)


class Pointwise(nn.Module):
    """ReLU, 1x1 convolution, batch norm: (B, c_in, H, W) -> (B, c, H, W)."""

    def __init__(self, c_in: int, c: int, kind: BatchNormKind, layers: Layers, affine: bool, shared: bool):
        super().__init__()
        self.front = front(shared)
        self.conv = layers.conv(c_in, c, 1, kind, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.front(x))


class FactorizedReduce(nn.Module):
    """ReLU, 1x1 convolutions to half the channels at even places and half at odd ones: (B, c_in, H, W) -> (B, c, H/2, W/2)."""

    def __init__(self, c_in: int, c: int, kind: BatchNormKind, layers: Layers, affine: bool, shared: bool):
        super().__init__()
        self.front = front(shared)
        self.even = layers.conv(c_in, c // 2, 1, kind, 2, affine=affine)
        self.odd = OddConv2d(c_in, c - c // 2, kind, affine)

    def forward(self, x: Tensor) -> Tensor:
        x = self.front(x)
        return torch.cat([self.even(x), self.odd(x)], dim=1)


class SeparableConv(nn.Module):
    """Twice ReLU, 3x3 depthwise and 1x1 convolution, batch norm: (B, c, H, W) -> (B, c, H / stride, W / stride)."""

    def __init__(self, c: int, stride: int, kind: BatchNormKind, layers: Layers, affine: bool, shared: bool):
        super().__init__()
        self.front = front(shared)
        self.depthwise1 = nn.Conv2d(c, c, 3, stride, padding=1, groups=c, bias=False)
        self.pointwise1 = layers.conv(c, c, 1, kind, affine=affine)
        self.relu = nn.ReLU(inplace=True)
        self.depthwise2 = nn.Conv2d(c, c, 3, padding=1, groups=c, bias=False)
        self.pointwise2 = layers.conv(c, c, 1, kind, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.pointwise1(self.depthwise1(self.front(x))))
        return self.pointwise2(self.depthwise2(x))


class Edge(Members):
    """The sum of what its code has, "conv" and "skip"; a skip of stride 2 is a `FactorizedReduce`."""

    def __init__(self, code: str, c: int, stride: int, kind: BatchNormKind, layers: Layers, affine: bool, shared: bool):
        members: dict[str, nn.Module] = {}
        if has_conv(code):
            members["conv"] = SeparableConv(c, stride, kind, layers, affine, shared)
        if has_skip(code):
            members["skip"] = FactorizedReduce(c, c, kind, layers, affine, shared) if stride == 2 else nn.Identity()
        super().__init__(members)
        self.stride = stride

    def forward(self, state: Tensor, rectified: Tensor) -> Tensor:
        """rectified: relu(state) in the shared form, else the state. With a lone skip of stride 1 it is the very state."""
        return added([self[name](state if (name, self.stride) == ("skip", 1) else rectified) for name in self.active])


def has_skip(code: str) -> bool:
    """Whether a code's first bit is set."""
    return code[0] == "1"


def has_conv(code: str) -> bool:
    """Whether a code's second bit is set."""
    return code[1] == "1"


def front(shared: bool) -> nn.Module:
    """The ReLU that an operation begins with; out of place, because other operations read the same state."""
    return nn.Identity() if shared else nn.ReLU()


def added(parts: list[Tensor]) -> Tensor:
    """Their sum, from the first on; of one, itself."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
