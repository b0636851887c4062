"""ResNets of bottlenecks whose every width is free: ResNet-50 for small images, and ProARD's networks around it.

A bottleneck is a 1x1 convolution to `mid` channels, a 3x3 one, and a 1x1 one to `out`, each with batch norm, added to the input
(He et al. 2016, arXiv:1512.03385, Sec. 4.1). ProARD's stem is two 3x3 convolutions with perhaps a residual one between them (He
et al. 2019, arXiv:1812.01187, ResNet-D, but without stride and pooling).
"""

from torch import Tensor, nn

from rlnet.models.elastic import Chain, Layers
from rlnet.models.network import ModeNetwork
from rlnet.models.specifications.bottleneck import BottleneckSpec
from rlnet.models.words import BatchNormKind


class Bottleneck(nn.Module):
    """relu3(conv3(relu2(conv2(relu1(conv1(x))))) + shortcut(x)), (B, c_in, H, W) -> (B, out, H / stride, W / stride).

    projects: whether the shortcut is a strided 1x1 convolution with batch norm; else it is the identity.
    """

    def __init__(self, c_in: int, mid: int, out: int, stride: int, projects: bool, kind: BatchNormKind, layers: Layers):
        super().__init__()
        self.conv1 = layers.conv(c_in, mid, 1, kind)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = layers.conv(mid, mid, 3, kind, stride)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv3 = layers.conv(mid, out, 1, kind)
        self.shortcut = layers.conv(c_in, out, 1, kind, stride) if projects else nn.Identity()
        self.relu3 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv3(self.relu2(self.conv2(self.relu1(self.conv1(x)))))
        return self.relu3(out + self.shortcut(x))


class StemConv(nn.Module):
    """relu(conv(x)) of a 3x3 convolution, plus x if it is residual: no ReLU follows the sum."""

    def __init__(self, c_in: int, c: int, stride: int, residual: bool, kind: BatchNormKind, layers: Layers):
        super().__init__()
        self.conv = layers.conv(c_in, c, 3, kind, stride)
        self.relu = nn.ReLU(inplace=True)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.conv(x))
        return out + x if self.residual else out


class BottleneckNet(ModeNetwork):
    """Stem, stages of bottlenecks, mean over the map, linear layer."""

    def __init__(
        self,
        spec: BottleneckSpec,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        kind: BatchNormKind,
        layers: Layers,
    ):
        super().__init__(mean, std)
        self.stem = _stem(spec, len(mean), kind, layers)
        c, stages = spec.stem[-1], []
        for stage in spec.stages:
            blocks = []
            for i, mid in enumerate(stage.mids):
                stride = stage.stride if i == 0 else 1
                blocks.append(Bottleneck(c, mid, stage.out, stride, i == 0, kind, layers))
                c = stage.out
            stages.append(Chain(blocks))
        self.stages = nn.ModuleList(stages)
        self.fc = layers.linear(c, num_classes)
        self.stage_sites = tuple(f"stages.{s}.{len(stage.mids) - 1}.relu3" for s, stage in enumerate(spec.stages))

    def logits(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.fc(x.mean(dim=(2, 3)))


def _stem(spec: BottleneckSpec, c_in: int, kind: BatchNormKind, layers: Layers) -> Chain:
    """Members "first", "residual" and "last", as many as there are."""
    first = spec.stem[0]
    members = {"first": StemConv(c_in, first, spec.stem_stride, False, kind, layers)}
    if spec.stem_residual:
        members["residual"] = StemConv(first, first, 1, True, kind, layers)
    if len(spec.stem) > 1:
        members["last"] = StemConv(first, spec.stem[1], 1, False, kind, layers)
    return Chain(members)
