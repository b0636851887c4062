"""ResNet-18 and ResNet-34 for small images (He et al. 2016; the CIFAR stem of a 3x3 convolution and no max-pooling)."""

from torch import Tensor, nn

from rlnet.models.batch_norm import NormedConv2d
from rlnet.models.network import ModeNetwork
from rlnet.models.words import BatchNormKind

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """relu2(conv2(relu1(conv1(x))) + shortcut(x)), (B, c_in, H, W) -> (B, c, H / stride, W / stride)."""

    def __init__(self, c_in: int, c: int, stride: int, kind: BatchNormKind):
        super().__init__()
        self.conv1 = NormedConv2d(c_in, c, 3, kind, stride)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = NormedConv2d(c, c, 3, kind)
        same = stride == 1 and c_in == c
        self.shortcut = nn.Identity() if same else NormedConv2d(c_in, c, 1, kind, stride)
        self.relu2 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv2(self.relu1(self.conv1(x)))
        return self.relu2(out + self.shortcut(x))


class ResNet(ModeNetwork):
    """Four stages of basic blocks at width, 2, 4 and 8 times width channels.

    width: channels of the first stage, 64 in the paper. stem_stride: 1 keeps the image's resolution in the first
    stage (557,056 ReLUs for ResNet-18 at 32x32, 2,228,224 at 64x64); 2 halves it, for 64x64 images and larger.
    """

    def __init__(
        self,
        blocks: tuple[int, ...],
        width: int,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        kind: BatchNormKind,
        stem_stride: int,
    ):
        super().__init__(mean, std)
        self.conv1 = NormedConv2d(len(mean), width, 3, kind, stem_stride)
        self.relu = nn.ReLU(inplace=True)
        c_in = width
        for i, depth in enumerate(blocks):
            c = width * 2**i
            strides = [1 if i == 0 else 2] + [1] * (depth - 1)
            stage = nn.Sequential(*(BasicBlock(c_in if j == 0 else c, c, s, kind) for j, s in enumerate(strides)))
            self.add_module(f"layer{i + 1}", stage)
            c_in = c
        self.fc = nn.Linear(c_in, num_classes)
        self.stage_sites = tuple(f"layer{i + 1}.{depth - 1}.relu2" for i, depth in enumerate(blocks))

    def logits(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean(dim=(2, 3)))
