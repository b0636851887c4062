"""Layers of networks by name: of this project's, and of a transformer from elsewhere."""

import pytest
import torch
from torch import Tensor, nn

from rlnet.models import NetworkConfig, build
from rlnet.models.building import build_specification
from rlnet.models.specifications.zoo import ZOO
from rlnet.nas.gumbel import gated
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.watched_layers import as_map, student_units, teacher_layers, watched, watched_units


class TinyViT(nn.Module):
    """A transformer of 2 blocks on 16 patches and a class token; a stranger to this project."""

    def __init__(self, classes: int = 10):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True) for _ in range(2)])
        self.head = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(tokens[:, 0])


def test_tokens_as_maps() -> None:
    """Row by row, whatever stands in front of them; what is neither map nor tokens is nothing."""
    tokens = torch.arange(2 * 5 * 3).view(2, 5, 3).float()
    found = as_map(tokens)
    assert found.shape == (2, 3, 2, 2)
    assert torch.equal(found[1, :, 1, 0], tokens[1, 3]) and torch.equal(as_map(tokens[:, 1:]), found)
    assert as_map(torch.zeros(2, 10)) is None and as_map("map") is None and as_map(torch.zeros(2, 3, 4)) is None


def test_layers_of_teachers() -> None:
    """All 20 convolutions of a ResNet-18, in order; patches and blocks of a transformer; layers that are named."""
    x = torch.rand(2, 3, 32, 32)
    resnet = build(NetworkConfig(width=4), 10, (0.5,) * 3, (0.5,) * 3)
    layers = teacher_layers(resnet, x)
    assert len(layers) == 20 and layers[:2] == ["conv1", "layer1.0.conv1"] and resnet.training
    assert layers[5:8] == ["layer2.0.conv1", "layer2.0.conv2", "layer2.0.shortcut"]
    assert teacher_layers(resnet, x, ["layer3", "layer1"]) == ["layer1", "layer3"]
    vit = TinyViT()
    assert teacher_layers(vit, x) == ["patches", "blocks.0", "blocks.1"]
    for names, message in ((["block"], "no module 'block'"), (["head"], "'head' of the teacher returns neither")):
        with pytest.raises(ValueError, match=message):
            teacher_layers(vit, x, names)
    with pytest.raises(ValueError, match="no convolution and no transformer block"):
        teacher_layers(nn.Sequential(nn.Flatten(), nn.Linear(3072, 10)), x)


def test_an_activation_in_place_changes_nothing_that_was_kept() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True))
    nn.init.constant_(network[0].weight, -1)
    nn.init.zeros_(network[0].bias)
    with torch.no_grad(), watched({"conv": network[0]}, Tensor.clone) as found:
        network(torch.ones(1, 1, 1, 1))
    assert found["conv"].item() == -1


@pytest.mark.parametrize(("name", "units"), [("rnas-cl-s3", 28), ("rnas-cl-s5", 46), ("rnas-cl-s7", 64), ("rnas-cl-m", 52)])
def test_units_of_published_students(name: str, units: int) -> None:
    """As many as the paper's code has."""
    with torch.device("meta"):
        network = build_specification(ZOO[name](), 10, (0.5,) * 3, (0.5,) * 3, "single")
    found = list(student_units(network))
    assert len(found) == units and found[:4] == ["conv1", "stages.0.0.expand", "stages.0.0.depthwise", "stages.0.0.project"]


def test_units_are_masked_while_widths_are_searched() -> None:
    space = InvertedResidualSpace((2,), ((4, 2),), stem=4)
    network = gated(build_specification(space.largest, 10, (0.5,) * 3, (0.5,) * 3, "dual"), space)
    network.take([torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])])
    units = student_units(network.network)
    with torch.no_grad(), watched_units(units) as maps:
        network.network(torch.rand(2, 3, 16, 16))
        found = dict(zip(units, maps(), strict=True))
    assert not found["stages.0.0.project"][:, 2:].any() and found["stages.0.0.project"][:, :2].any()
    assert not found["stages.0.1.expand"][:, 12:].any() and found["stages.0.1.project"][:, 2:].any()
