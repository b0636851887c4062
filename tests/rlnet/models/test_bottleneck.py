"""Bottlenecks: beside torchvision's ResNet, ProARD's stem, which specifications there are."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from masks import find_sites
from rlnet.models.building import build_specification
from rlnet.models.specifications.bottleneck import BottleneckSpec, BottleneckStage
from rlnet.models.specifications.reading import parse

TINY = BottleneckSpec((BottleneckStage((3, 5), 8), BottleneckStage((4,), 12, 2)), (4, 6), stem_residual=True)


def test_the_plain_ones_are_those_of_torchvision(generator: torch.Generator) -> None:
    """With CIFAR's stem; weights and statistics copied in order."""
    reference = ResNet(Bottleneck, [2, 1, 1, 1], num_classes=5)
    reference.conv1, reference.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    for name, tensor in reference.state_dict().items():
        if name.endswith(("running_var", "running_mean")) or "bn" in name:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    stages = [BottleneckStage((64 * 2**i,) * (2 if i == 0 else 1), 256 * 2**i, 1 if i == 0 else 2) for i in range(4)]
    network = build_specification(BottleneckSpec(tuple(stages)), 5, (0.0,) * 3, (1.0,) * 3, "single").eval()
    ours = {name: tensor for name, tensor in network.state_dict().items() if name not in ("mean", "std")}
    for target, source in zip(ours.values(), reference.state_dict().values(), strict=True):
        target.copy_(source)
    images = torch.rand(2, 3, 8, 8, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(network(images), reference.eval()(images), rtol=1e-4, atol=1e-4)


def test_the_residual_of_the_stem(generator: torch.Generator) -> None:
    """x + relu(conv(x)) between the two others."""
    network = build_specification(TINY, 5, (0.4,), (0.3,), "single").eval()
    images = torch.rand(2, 1, 8, 8, generator=generator)
    first, residual, last = network.stem.present()
    with torch.no_grad():
        x = first(images)
        torch.testing.assert_close(network.stem(images), last(x + residual.conv(x).relu()))


def test_sites_and_stages() -> None:
    network = build_specification(TINY, 5, (0.4,), (0.3,), "dual")
    sites = find_sites(network, torch.zeros(1, 1, 8, 8))
    expected = {"stem.first.relu": (4, 8, 8), "stem.residual.relu": (4, 8, 8), "stem.last.relu": (6, 8, 8)}
    for block, mid in enumerate((3, 5)):
        expected |= {f"stages.0.{block}.relu{i}": (c, 8, 8) for i, c in ((1, mid), (2, mid), (3, 8))}
    expected |= {"stages.1.0.relu1": (4, 8, 8), "stages.1.0.relu2": (4, 4, 4), "stages.1.0.relu3": (12, 4, 4)}
    assert list(sites.items()) == list(expected.items())
    assert network.stage_sites == ("stages.0.1.relu3", "stages.1.0.relu3")


def test_stem_stride() -> None:
    network = build_specification(replace(TINY, stem_stride=2), 5, (0.4,), (0.3,), "dual")
    assert find_sites(network, torch.zeros(1, 1, 8, 8))["stem.first.relu"] == (4, 4, 4)


@pytest.mark.parametrize("spec", [TINY, replace(TINY, stem=(5,), stem_residual=False)])
def test_plain_and_back(spec: BottleneckSpec) -> None:
    assert parse(spec.plain()) == spec and len({parse(spec.plain()), spec}) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BottleneckStage((), 8), "no stage of bottlenecks like"),
        (lambda: BottleneckStage((3, 0), 8), "no stage of bottlenecks like"),
        (lambda: BottleneckStage(3, 8), "no stage of bottlenecks like"),
        (lambda: BottleneckStage((3,), 8, 3), "no stage of bottlenecks like"),
        (lambda: replace(TINY, stages=()), "1 or more stages"),
        (lambda: replace(TINY, stem=()), "one or two numbers"),
        (lambda: replace(TINY, stem=(1, 2, 3)), "one or two numbers"),
        (lambda: replace(TINY, stem=(4,)), "false for a stem of one convolution"),
        (lambda: replace(TINY, stem_stride=0), "stem_stride is 1 or 2"),
    ],
)
def test_impossible_specifications(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
