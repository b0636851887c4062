"""Magnitude sensitivity: hand arithmetic, what it must not depend on, and the published split."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from masks import linearize, magnitude_sensitivity
from masks.presets import KEEP_FRACTIONS


def three_layers() -> nn.Sequential:
    """Scores by hand: conv 0.6, 0.8; conv 1, 0, 0, 0; linear 5/13, 12/13. Eight weights."""
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(2, 1)
    )
    for index, values in ((0, [3, -4]), (3, [-1, 0, 0, 0]), (6, [5, 12])):
        network[index].weight.data.copy_(torch.tensor(values, dtype=torch.float32).view_as(network[index].weight))
    return network


EXAMPLE = torch.rand(2, 1, 1, 1, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("density", "first", "second"),
    [(1 / 8, 1, 3 / 4), (2 / 8, 1, 3 / 4), (3 / 8, 1 / 2, 3 / 4), (4 / 8, 0, 3 / 4), (6 / 8, 0, 2 / 4), (1, 0, 0)],
)
def test_by_hand(density: float, first: float, second: float) -> None:
    assert magnitude_sensitivity(three_layers(), EXAMPLE, density) == {"2": first, "4": second}


def test_scale_of_a_layer_does_not_matter() -> None:
    network = three_layers()
    network[0].weight.data *= 64
    network[6].weight.data /= 1024
    assert magnitude_sensitivity(network, EXAMPLE, 3 / 8) == magnitude_sensitivity(three_layers(), EXAMPLE, 3 / 8)


def test_partial_relus_are_sites_too() -> None:
    network = three_layers()
    linearize(network, {"2": torch.zeros(2, 1, 1, dtype=torch.bool)})
    assert magnitude_sensitivity(network, EXAMPLE, 3 / 8) == {"2": 1 / 2, "4": 3 / 4}


def test_site_without_weights_has_the_value_of_the_one_before() -> None:
    network = nn.Sequential(nn.ReLU(), *three_layers()[:3], nn.BatchNorm2d(2), nn.ReLU(), *three_layers()[3:])
    assert magnitude_sensitivity(network, EXAMPLE, 3 / 8) == {"0": 0, "3": 1 / 2, "5": 1 / 2, "7": 3 / 4}


def test_zero_weights_score_nothing() -> None:
    network = three_layers()
    network[0].weight.data.zero_()
    assert magnitude_sensitivity(network, EXAMPLE, 3 / 8) == {"2": 1, "4": 3 / 4}


@pytest.mark.parametrize("training", [True, False])
def test_network_is_left_as_it_was(training: bool) -> None:
    network = three_layers().train(training)
    network[1].train(not training)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    flags = [module.training for module in network.modules()]
    magnitude_sensitivity(network, EXAMPLE)
    assert flags == [module.training for module in network.modules()]
    assert not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_no_hook_is_left_when_the_network_fails() -> None:
    network = three_layers()
    with pytest.raises(RuntimeError):
        magnitude_sensitivity(network, torch.zeros(1, 5, 1, 1))
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize("density", [0.0, -0.1, 1.1, float("nan")])
def test_density_is_checked(density: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        magnitude_sensitivity(three_layers(), EXAMPLE, density)


def test_a_network_without_sites() -> None:
    with pytest.raises(ValueError, match=r"no nn\.ReLU"):
        magnitude_sensitivity(nn.Sequential(nn.Conv2d(1, 2, 1)), EXAMPLE)


class Block(nn.Module):
    def __init__(self, channels_in: int, channels: int):
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(channels_in, channels, 3, padding=1), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()
        self.shortcut = nn.Conv2d(channels_in, channels, 1) if channels != channels_in else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.conv2(self.relu1(self.conv1(x))) + self.shortcut(x))


def test_gaussian_weights_give_the_published_split() -> None:
    """ResNet-18's shapes at a quarter of its width: layer sizes alone explain the vector behind RLNet's splits."""
    torch.manual_seed(0)
    channels = [16, 16, 16, 32, 32, 64, 64, 128, 128]
    blocks = [Block(channels_in, channels) for channels_in, channels in pairwise(channels)]
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), *blocks, nn.Flatten(), nn.Linear(128, 10))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    sensitivity = list(magnitude_sensitivity(network, torch.zeros(1, 3, 3, 3)).values())
    sizes = [4] * 5 + [2] * 4 + [1] * 4 + [0.5] * 4
    published = [s * n for s, n in zip(KEEP_FRACTIONS["resnet18-tiny-150k"], sizes, strict=True)]
    for ours, theirs in zip(sensitivity, published, strict=True):
        assert ours / max(sensitivity) == pytest.approx(theirs / max(published), abs=0.1)
