"""Networks of inverted residual blocks (MobileNetV2 and V3, FBNetV2): the student family of RNAS-CL, and ProARD's small one.

A block is a 1x1 convolution that expands, a depthwise one, and a 1x1 convolution that projects, each with batch norm; the first
two are followed by an activation (Sandler et al. 2018, arXiv:1801.04381).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from rlnet.models.elastic import Chain, Layers
from rlnet.models.network import ModeNetwork
from rlnet.models.specifications.inverted_residual import Activation, Block, InvertedResidualSpec, rounded
from rlnet.models.words import BatchNormKind


class HSwish(nn.Module):
    """x relu6(x + 3) / 6 (Howard et al. 2019, arXiv:1905.02244, Sec. 5.2)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.hardswish(x)


def activation(kind: Activation) -> nn.Module:
    """The module of an activation; a ReLU is a site of its own."""
    return nn.ReLU(inplace=True) if kind == "relu" else HSwish()


class InnerReLU(nn.Module):
    """A ReLU that is no site, so that no mask reaches it."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


class SqueezeExcitation(nn.Module):
    """x times a weight for each channel, computed from the channels' means (Hu et al. 2018; Howard et al. 2019)."""

    def __init__(self, channels: int, layers: Layers):
        super().__init__()
        hidden = rounded(channels // 4)
        self.reduce, self.relu = layers.linear(channels, hidden), InnerReLU()
        self.expand, self.gate = layers.linear(hidden, channels), nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        weight = self.gate(self.expand(self.relu(self.reduce(x.mean(dim=(2, 3))))))
        return x * weight[:, :, None, None]


class InvertedResidual(nn.Module):
    """(B, c_in, H, W) -> (B, out, H / stride, W / stride); `shrink_mid` and `shrink_out` are for a search to mask channels."""

    def __init__(self, c_in: int, block: Block, kind: BatchNormKind, layers: Layers, bias: bool):
        super().__init__()
        self.residual = block.residual
        self.expand = layers.conv(c_in, block.mid, 1, kind, bias=bias) if block.expands else None
        self.relu1 = activation(block.act) if block.expands else None
        self.depthwise = layers.conv(
            block.mid, block.mid, block.kernel, kind, block.stride, groups=block.mid, bias=bias, transforms=True
        )
        self.relu2 = activation(block.act)
        self.se = SqueezeExcitation(block.mid, layers) if block.se else nn.Identity()
        self.project = layers.conv(block.mid, block.out, 1, kind, bias=bias)
        self.shrink_mid, self.shrink_out = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        inner = x if self.expand is None else self.shrink_mid(self.relu1(self.expand(x)))
        out = self.project(self.se(self.shrink_mid(self.relu2(self.depthwise(inner)))))
        return self.shrink_out(add_first(out, x) if self.residual else out)


def add_first(out: Tensor, x: Tensor) -> Tensor:
    """out + x, (B, C, H, W) + (B, C', H, W), on the channels that both have."""
    c, c_x = out.shape[1], x.shape[1]
    if c_x > c:
        return out + x[:, :c]
    return out + (x if c_x == c else F.pad(x, (0, 0, 0, 0, 0, c - c_x)))


class InvertedResidualNet(ModeNetwork):
    """Stem, stages of inverted residuals, head, mean over the map, linear layer; `shrink_head` is for a search, too."""

    def __init__(
        self,
        spec: InvertedResidualSpec,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        kind: BatchNormKind,
        layers: Layers,
    ):
        super().__init__(mean, std)
        self.conv1 = layers.conv(len(mean), spec.stem, 3, kind, spec.stem_stride, bias=spec.bias)
        self.relu = activation(spec.act)
        c, stages = spec.stem, []
        for blocks in spec.stages:
            widths = [c, *(block.out for block in blocks)]
            stages.append(
                Chain([InvertedResidual(w, b, kind, layers, spec.bias) for w, b in zip(widths, blocks, strict=False)])
            )
            c = widths[-1]
        self.stages = nn.ModuleList(stages)
        self.head = layers.conv(c, spec.head[0], 1, kind, bias=spec.bias) if spec.head else None
        self.head_relu = activation(spec.act) if spec.head else None
        self.shrink_head = nn.Identity()
        c = spec.head[0] if spec.head else c
        self.feature = layers.linear(c, spec.head[1], bias=spec.bias) if len(spec.head) > 1 else None
        self.feature_relu = activation(spec.act) if len(spec.head) > 1 else None
        self.fc = layers.linear(spec.head[-1] if spec.head else c, num_classes)
        self.stage_sites = _stage_ends(spec)

    def logits(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        for stage in self.stages:
            x = stage(x)
        if self.head is not None:
            x = self.shrink_head(self.head_relu(self.head(x)))
        x = x.mean(dim=(2, 3))
        if self.feature is not None:
            x = self.feature_relu(self.feature(x))
        return self.fc(x)


def _stage_ends(spec: InvertedResidualSpec) -> tuple[str, ...]:
    """The last ReLU of each stage that has one."""
    ends = []
    for s, stage in enumerate(spec.stages):
        sites = [f"stages.{s}.{i}.relu2" for i, block in enumerate(stage) if block.act == "relu"]
        ends += sites[-1:]
    return tuple(ends)
