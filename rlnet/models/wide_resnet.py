"""WRN-22-8, a wide ResNet with pre-activation blocks (Zagoruyko & Komodakis 2016, arXiv:1605.07146)."""

from torch import Tensor, nn

from rlnet.models.batch_norm import ModeBatchNorm2d, NormedConv2d
from rlnet.models.convolution import Conv2d
from rlnet.models.network import ModeNetwork
from rlnet.models.words import BatchNormKind

STEM_CHANNELS = 16


class PreActivationBlock(nn.Module):
    """conv2(relu2(conv1(a))) + shortcut, a = relu1(bn1(x)); the shortcut is x, or a projected where the shape changes."""

    def __init__(self, c_in: int, c: int, stride: int, kind: BatchNormKind):
        super().__init__()
        self.bn1 = ModeBatchNorm2d(c_in, kind)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = NormedConv2d(c_in, c, 3, kind, stride)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1, bias=False)
        same = stride == 1 and c_in == c
        self.projection = None if same else Conv2d(c_in, c, 1, stride, bias=False)
        for conv in (self.conv2, self.projection):
            if conv is not None:
                nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        a = self.relu1(self.bn1(x))
        out = self.conv2(self.relu2(self.conv1(a)))
        return out + (x if self.projection is None else self.projection(a))


class WideResNet(ModeNetwork):
    """Three groups of `depth` blocks at width, 2 and 4 times width channels; WRN-22-8 is depth 3, width 128.

    stem_stride: 1 keeps the image's resolution in the first group (1,392,640 ReLUs at 32x32), 2 halves it.
    """

    def __init__(
        self,
        depth: int,
        width: int,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        kind: BatchNormKind,
        stem_stride: int,
    ):
        super().__init__(mean, std)
        self.conv1 = nn.Conv2d(len(mean), STEM_CHANNELS, 3, stem_stride, padding=1, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        c_in = STEM_CHANNELS
        for i in range(3):
            c = width * 2**i
            strides = [1 if i == 0 else 2] + [1] * (depth - 1)
            group = (PreActivationBlock(c_in if j == 0 else c, c, s, kind) for j, s in enumerate(strides))
            self.add_module(f"group{i + 1}", nn.Sequential(*group))
            c_in = c
        self.bn = ModeBatchNorm2d(c_in, kind)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(c_in, num_classes)
        self.stage_sites = ("group2.0.relu1", "group3.0.relu1", "relu")  # the first ReLU after each group

    def logits(self, x: Tensor) -> Tensor:
        x = self.group3(self.group2(self.group1(self.conv1(x))))
        return self.fc(self.relu(self.bn(x)).mean(dim=(2, 3)))
