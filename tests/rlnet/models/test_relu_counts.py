"""The published networks have the published numbers of ReLUs and parameters. On the meta device: shapes without arithmetic."""

import math

import pytest
import torch

from masks import Shape, find_sites
from rlnet.models import ModeNetwork, NetworkConfig, build

MEAN = STD = (0.5, 0.5, 0.5)


def network(name: str, width: int = 64, kind: str = "dual", stem_stride: int = 1, classes: int = 10) -> ModeNetwork:
    with torch.device("meta"):
        return build(NetworkConfig(name, width, kind, stem_stride), classes, MEAN, STD)


def sites(side: int, **options: object) -> dict[str, Shape]:
    return find_sites(network(**options), torch.empty(1, 3, side, side, device="meta"))


def count(shapes: dict[str, Shape]) -> int:
    return sum(math.prod(shape) for shape in shapes.values())


@pytest.mark.parametrize(
    ("name", "width", "side", "relus"),
    [
        ("resnet18", 64, 32, 557_056),  # RLNet, Table 1: 557 k
        ("resnet34", 64, 32, 966_656),  # 967 k
        ("wrn22-8", 128, 32, 1_392_640),  # 1393 k
        ("resnet18", 64, 64, 2_228_224),  # Tiny-ImageNet: 2228 k
        ("resnet18", 16, 32, 139_264),
    ],
)
def test_published_counts(name: str, width: int, side: int, relus: int) -> None:
    assert count(sites(side, name=name, width=width)) == relus


def test_resnet18_site_by_site() -> None:
    expected = {"relu": (64, 32, 32)}
    for stage, shape in enumerate([(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4)], start=1):
        expected |= {f"layer{stage}.{block}.relu{i}": shape for block in (0, 1) for i in (1, 2)}
    assert list(sites(32, name="resnet18").items()) == list(expected.items())


def test_resnet34_site_by_site() -> None:
    """3, 4, 6 and 3 blocks of two."""
    shapes = [shape[0] for shape in sites(32, name="resnet34").values()]
    assert shapes == [64] + 6 * [64] + 8 * [128] + 12 * [256] + 6 * [512]


def test_wrn_site_by_site() -> None:
    """Before the activations of a block come its shape changes: the first ReLU of a group still has the group's input."""
    expected: dict[str, Shape] = {}
    before, side = (16, 32, 32), 32
    for group, c in enumerate((128, 256, 512), start=1):
        side = side // 2 if group > 1 else side
        for block in range(3):
            expected[f"group{group}.{block}.relu1"] = before
            before = expected[f"group{group}.{block}.relu2"] = (c, side, side)
    expected["relu"] = before
    assert list(sites(32, name="wrn22-8", width=128).items()) == list(expected.items())


@pytest.mark.parametrize(("name", "width"), [("resnet18", 64), ("resnet34", 64), ("wrn22-8", 128)])
def test_stem_of_stride_2_leaves_a_quarter(name: str, width: int) -> None:
    assert 4 * count(sites(64, name=name, width=width, stem_stride=2)) == count(sites(64, name=name, width=width))


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "wrn22-8"])
def test_stages_end_at_sites_of_their_own_resolution(name: str) -> None:
    """`stage_sites` names existing sites, in forward order, each with fewer pixels than the one before."""
    built = network(name=name, width=8)
    found = find_sites(built, torch.empty(1, 3, 32, 32, device="meta"))
    places = [list(found).index(site) for site in built.stage_sites]
    assert places == sorted(places)
    sides = [found[site][1] for site in built.stage_sites]
    assert sides == [32, 16, 8, 4] if name.startswith("resnet") else sides == [32, 16, 8]
    assert built.stage_sites[-1] == list(found)[-1]


def parameters(built: ModeNetwork) -> int:
    return sum(parameter.numel() for parameter in built.parameters())


@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [
        ("resnet18", 10, 11_173_962),  # the CIFAR ResNets that everybody counts
        ("resnet34", 10, 21_282_122),
        ("resnet18", 100, 11_173_962 + 90 * 513),
    ],
)
def test_parameters_of_a_resnet(name: str, classes: int, expected: int) -> None:
    assert parameters(network(name, kind="single", classes=classes)) == expected


def test_parameters_of_the_wrn_by_hand() -> None:
    """17.2 million (Zagoruyko & Komodakis 2016, Table 4)."""
    convolutions, norms, c_in = 3 * 16 * 9, 0, 16
    for c in (128, 256, 512):
        convolutions += c_in * c  # the projection
        for block in range(3):
            inputs = c_in if block == 0 else c
            convolutions += 9 * (inputs * c + c * c)
            norms += 2 * (inputs + c)
        c_in = c
    norms += 2 * 512
    found = parameters(network("wrn22-8", width=128, kind="single"))
    assert found == convolutions + norms + 512 * 10 + 10
    assert round(found / 1e5) == 172


@pytest.mark.parametrize(("kind", "paths"), [("single", 1), ("dual", 2), ("triple", 3)])
@pytest.mark.parametrize("name", ["resnet18", "resnet34", "wrn22-8"])
def test_each_path_adds_its_affine_parameters_and_statistics_only(name: str, kind: str, paths: int) -> None:
    single, built = network(name, 8, "single"), network(name, 8, kind)
    norms = [module for module in single.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    affine = sum(norm.weight.numel() + norm.bias.numel() for norm in norms)
    assert parameters(built) == parameters(single) + (paths - 1) * affine
    buffers = [sum(buffer.numel() for buffer in each.buffers()) for each in (single, built)]
    assert buffers[1] == buffers[0] + (paths - 1) * (affine + len(norms))


def test_weights_are_those_of_the_seed() -> None:
    """And the global random state is left alone."""
    config, state = NetworkConfig("resnet18", width=2), torch.get_rng_state()
    first, again, other = (build(config, 5, (0.5,), (0.2,), seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_no_network_of_no_width() -> None:
    with pytest.raises(ValueError, match=r"network\.width is a number of channels, at least 1, not 0"):
        NetworkConfig(width=0)
