"""The smallest network with all that a network of the project has: two normed convolutions, two ReLU sites, a linear layer.

For tests of what is done to any network, which a ResNet only makes slower.
"""

from torch import Tensor, nn

from rlnet.models import ModeNetwork
from rlnet.models.batch_norm import NormedConv2d
from rlnet.models.words import BatchNormKind


class TwoConvolutions(ModeNetwork):
    """relu2(conv2(relu1(conv1(x)))), averaged over 2x2 maps; (B, C, 8, 8) -> (B, K). conv2 has stride 2."""

    stage_sites = ("relu1", "relu2")

    def __init__(
        self,
        channels: tuple[int, int],
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        kind: BatchNormKind = "dual",
    ):
        super().__init__(mean, std)
        self.conv1 = NormedConv2d(len(mean), channels[0], 3, kind)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = NormedConv2d(*channels, 3, kind, stride=2)
        self.relu2 = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(2)
        self.fc = nn.Linear(4 * channels[1], num_classes)

    def logits(self, x: Tensor) -> Tensor:
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        return self.fc(self.pool(x).flatten(1))
