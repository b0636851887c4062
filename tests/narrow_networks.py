"""Narrow networks for grey 8x8 images and 5 classes, as if trained; and the smallest one that has all that a network has."""

import torch
from torch import Tensor, nn

from masks import find_sites, linearize
from rlnet.models import ModeNetwork, NetworkConfig, build
from rlnet.models.batch_norm import NormedConv2d
from rlnet.models.specifications.bottleneck import BottleneckSpec, BottleneckStage
from rlnet.models.words import BatchNormKind


class TwoConvolutions(ModeNetwork):
    """relu2(conv2(relu1(conv1(x)))), averaged over 2x2 pixels, and a linear layer; (B, C, 8, 8) -> (B, K). conv2 has stride 2.

    For tests of what is done to any network, which a ResNet only makes slower.
    """

    stage_sites = ("relu1", "relu2")

    def __init__(
        self,
        channels: tuple[int, int],
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        kind: BatchNormKind = "dual",
        seed: int = 0,
    ):
        super().__init__(mean, std)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv1 = NormedConv2d(len(mean), channels[0], 3, kind)
            self.relu1 = nn.ReLU(inplace=True)
            self.conv2 = NormedConv2d(*channels, 3, kind, stride=2)
            self.relu2 = nn.ReLU(inplace=True)
            self.pool = nn.AvgPool2d(2)
            self.fc = nn.Linear(4 * channels[1], num_classes)

    def logits(self, x: Tensor) -> Tensor:
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        return self.fc(self.pool(x).flatten(1))


ONE_BLOCK = BottleneckSpec((BottleneckStage((4,), 8, stride=2),), stem=(4,)).plain()


def tiny_config(name: str = "resnet18", kind: BatchNormKind = "dual") -> NetworkConfig:
    """The configuration of `tiny_network`."""
    if name == "one block":
        return NetworkConfig("bottleneck", batch_norm=kind, spec=ONE_BLOCK)
    return NetworkConfig(name, width=4, batch_norm=kind)


def tiny_network(name: str = "resnet18", kind: BatchNormKind = "dual", keep: float | None = None, seed: int = 0) -> ModeNetwork:
    """A network of width 4, as if trained: no two batch-norm paths are alike.

    name: that of a configuration; or, where the architecture does not matter, "two convolutions", or "one block", which has a
    configuration, too. keep: the fraction of ReLUs that random masks keep at every site but the first, which stays an all-ReLU
    one; None makes no masks.
    """
    if name == "two convolutions":
        network = TwoConvolutions((4, 8), 5, (0.4,), (0.3,), kind, seed)
    else:
        network = build(tiny_config(name, kind), 5, (0.4,), (0.3,), seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.uniform_(-0.5, 0.5, generator=generator)
                module.running_mean.uniform_(-0.5, 0.5, generator=generator)
                module.running_var.uniform_(0.5, 2.0, generator=generator)
    if keep is not None:
        sites = list(find_sites(network, torch.zeros(1, 1, 8, 8)).items())
        linearize(network, {site: torch.rand(shape, generator=generator) < keep for site, shape in sites[1:]})
    return network.eval()
