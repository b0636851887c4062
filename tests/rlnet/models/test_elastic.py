"""Supernets: a part that is activated computes what the network with its weights does, in every mode, frozen and training."""

from random import Random

import pytest
import torch
from torch import nn

from rlnet.models import frozen
from rlnet.models.building import build_specification
from rlnet.models.elastic import ELASTIC, ElasticConv2d, ElasticLinear, activate, copy_part
from rlnet.models.network import ModeNetwork
from rlnet.models.specifications.specification import Specification
from rlnet.nas.proard import MobileNetV3Space, ResNet50Space
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.space import Space

NARROW = (2, 2, 1), ((16, 12), (8, 6, 5), (10, 7))
SPACES: dict[str, Space] = {
    "rnas-cl": InvertedResidualSpace(*NARROW),
    "rnas-cl-published": InvertedResidualSpace(*NARROW, "hswish"),
    "rnas-cl-imagenet": InvertedResidualSpace((1, 2), ((12, 8), (10, 8)), "relu", for_imagenet=True),
    "resnet50": ResNet50Space(width=16),
    "mbv3": MobileNetV3Space(width=0.25, stem_stride=2),
    "mbv3-published": MobileNetV3Space("published", width=0.25, stem_stride=2),
}
CLASSES, MEAN, STD = 5, (0.4,), (0.3,)


def as_trained(network: ModeNetwork, seed: int) -> ModeNetwork:
    """In float64, with batch norms and kernel transforms that are no identities."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.double().modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.uniform_(0.5, 1.5, generator=generator)
                for tensor in (module.bias, module.running_mean):
                    tensor.uniform_(-0.5, 0.5, generator=generator)
            if isinstance(module, ElasticConv2d):
                for transform in module.transforms.values():
                    transform.add_(0.1 * torch.randn(transform.shape, generator=generator))
    return network.eval()


@pytest.fixture(scope="module")
def supernets() -> dict[str, ModeNetwork]:
    made = {}
    for seed, (name, space) in enumerate(SPACES.items()):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made[name] = as_trained(build_specification(space.largest, CLASSES, MEAN, STD, "dual", ELASTIC), seed)
    return made


def part_of(supernet: ModeNetwork, spec: Specification) -> ModeNetwork:
    """Activates a specification's part and returns its static network with the supernet's weights."""
    with torch.device("meta"):
        activate(supernet, build_specification(spec, CLASSES, MEAN, STD, "dual"))
    network = build_specification(spec, CLASSES, MEAN, STD, "dual").double().eval()
    copy_part(supernet, network)
    return network


def some_of(space: Space, seed: int) -> list[Specification]:
    """The smallest, the largest, and two drawn ones."""
    rng = Random(seed)
    return [space.smallest, space.largest, *(space.specification(space.sample(rng)) for _ in range(2))]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("name", SPACES)
def test_an_active_part_is_the_network_of_its_weights(
    name: str, number: int, supernets: dict[str, ModeNetwork], generator: torch.Generator
) -> None:
    supernet = supernets[name]
    network = part_of(supernet, some_of(SPACES[name], 0)[number])
    images = torch.rand(2, 1, 16, 16, generator=generator, dtype=torch.float64)
    found = {}
    with torch.no_grad():
        for mode in ("normal", "adversarial"):
            found[mode] = supernet(images, mode)
            torch.testing.assert_close(found[mode], network(images, mode), rtol=1e-9, atol=1e-9)
            with frozen(supernet, mode, torch.float64):
                torch.testing.assert_close(supernet(images), found[mode], rtol=1e-6, atol=1e-6)
            with frozen(network, mode, torch.float64):
                torch.testing.assert_close(network(images), found[mode], rtol=1e-6, atol=1e-6)
    assert not torch.allclose(found["normal"], found["adversarial"], atol=1e-3)


@pytest.mark.parametrize("name", SPACES)
def test_parts_differ(name: str, supernets: dict[str, ModeNetwork], generator: torch.Generator) -> None:
    """Otherwise activating could do nothing; and what was active before leaves no trace."""
    supernet, images = supernets[name], torch.rand(2, 1, 16, 16, generator=generator, dtype=torch.float64)
    logits = []
    for spec in (SPACES[name].largest, SPACES[name].smallest, SPACES[name].largest):
        part_of(supernet, spec)
        with torch.no_grad():
            logits.append(supernet(images, "normal"))
    assert torch.equal(logits[0], logits[2]) and not torch.allclose(logits[0], logits[1], atol=1e-3)


@pytest.mark.parametrize("name", ["rnas-cl", "resnet50", "mbv3-published"])
def test_a_training_step_of_a_part(name: str, supernets: dict[str, ModeNetwork], generator: torch.Generator) -> None:
    """The same gradients and new statistics as of the network; none reaches what is not active."""
    supernet, space = supernets[name], SPACES[name]
    network = part_of(supernet, space.specification(space.sample(Random(5))))
    state = {key: value.clone() for key, value in supernet.state_dict().items()}
    images = torch.rand(3, 1, 16, 16, generator=generator, dtype=torch.float64)
    try:
        for each in (supernet, network):
            each.train().zero_grad()
            each(images, "adversarial").square().sum().backward()
        after = {key: value.clone() for key, value in network.state_dict().items()}
        copy_part(supernet, network)
        for key, value in network.state_dict().items():
            torch.testing.assert_close(value, after[key], rtol=1e-9, atol=1e-9)
        gradients = {key: parameter.grad for key, parameter in supernet.named_parameters()}
        for key, parameter in network.named_parameters():
            whole = gradients.pop(key)
            if parameter.grad is None:  # the clean path
                assert whole is None
            elif "depthwise.weight" not in key:  # whose gradient comes through the kernel's maps
                part = whole[tuple(slice(size) for size in parameter.shape)]
                torch.testing.assert_close(part, parameter.grad, rtol=1e-9, atol=1e-9)
                assert torch.isclose(part.square().sum(), whole.square().sum())
        assert all(gradient is None for key, gradient in gradients.items() if ".transforms." not in key)
    finally:
        supernet.load_state_dict(state)
        supernet.eval().zero_grad()


def test_kernels_by_hand(generator: torch.Generator) -> None:
    """The 5x5 kernel is a map of the 7x7 one's centre, the 3x3 kernel a map of the 5x5 kernel's centre."""
    conv = ElasticConv2d(2, 2, 7, "single", groups=2, transforms=True)
    assert {size: tuple(transform.shape) for size, transform in conv.transforms.items()} == {"5": (25, 25), "3": (9, 9)}
    with torch.no_grad():
        assert torch.equal(conv.kernel(conv.weight, 7), conv.weight)
        assert torch.equal(conv.kernel(conv.weight, 3), conv.weight[..., 2:5, 2:5])  # at first the maps are identities
        for transform in conv.transforms.values():
            transform.copy_(torch.randn(transform.shape, generator=generator))
        five = torch.stack([conv.transforms["5"] @ c[0, 1:6, 1:6].reshape(25) for c in conv.weight]).view(2, 1, 5, 5)
        three = torch.stack([conv.transforms["3"] @ c[0, 1:4, 1:4].reshape(9) for c in five]).view(2, 1, 3, 3)
        torch.testing.assert_close(conv.kernel(conv.weight, 5), five)
        torch.testing.assert_close(conv.kernel(conv.weight, 3), three)


def test_a_linear_layer_of_fewer_features(generator: torch.Generator) -> None:
    layer, x = ElasticLinear(5, 4), torch.rand(2, 3, generator=generator)
    layer.active_features = 2
    torch.testing.assert_close(layer(x), x @ layer.weight[:2, :3].T + layer.bias[:2])


def test_an_elastic_convolution_is_dense_or_depthwise() -> None:
    with pytest.raises(AssertionError, match="dense or depthwise"):
        ElasticConv2d(4, 4, 3, "single", groups=2)
