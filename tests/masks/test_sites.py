"""ReLU sites: their order and shapes by hand, linearizing and reading back, and what leaves them."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masks import PartialReLU, capture, count_kept, find_sites, get_masks, linearize


class Small(nn.Module):
    """Registers its ReLUs in another order than it runs them, one of them in a nested module, one that never runs."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.last = nn.ReLU(inplace)
        self.stem = nn.Conv2d(2, 3, 3, padding=1)
        self.first = nn.ReLU(inplace)
        self.block = nn.Sequential(nn.Conv2d(3, 4, 2, stride=2), nn.ReLU(inplace))
        self.unused = nn.ReLU()
        self.norm = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(self.stem(x))
        x = self.norm(self.block(x))
        return self.last(self.fc(x.mean(dim=(2, 3))))


# 8x6 images: the padded 3x3 convolution keeps the size, the 2x2 one of stride 2 halves it, the mean leaves 1x1.
SITES = {"first": (3, 8, 6), "block.1": (4, 4, 3), "last": (5, 1, 1)}


@pytest.fixture
def example(generator: torch.Generator) -> Tensor:
    return torch.randn(2, 2, 8, 6, generator=generator)


def random_masks(generator: torch.Generator) -> dict[str, Tensor]:
    return {name: torch.rand(shape, generator=generator) < 0.4 for name, shape in SITES.items()}


def everything(network: nn.Module) -> dict[str, Any]:
    """All that one can see of a network: modules, flags, hooks, parameters, statistics, gradients."""
    return {
        "modules": [(name, id(module), module.training) for name, module in network.named_modules()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules()],
        "asks": [parameter.requires_grad for parameter in network.parameters()],
        "gradients": [parameter.grad for parameter in network.parameters()],
        "state": {name: value.tolist() for name, value in network.state_dict().items()},
    }


def test_sites_by_hand_in_forward_order(example: Tensor) -> None:
    """And not in the order of registration; what never runs is no site."""
    assert list(find_sites(Small(), example).items()) == list(SITES.items())


def test_shapes_do_not_depend_on_the_batch(example: Tensor) -> None:
    assert find_sites(Small(), example[:1]) == find_sites(Small(), example) == SITES


def test_partial_relus_are_sites(example: Tensor, generator: torch.Generator) -> None:
    network = Small()
    linearize(network, {"block.1": random_masks(generator)["block.1"]})
    assert find_sites(network, example) == SITES


@pytest.mark.parametrize("training", [True, False])
def test_finding_leaves_the_network_as_it_was(example: Tensor, training: bool) -> None:
    network = Small().train(training)
    network.norm.train(not training)
    network.fc.weight.requires_grad_(False)
    before, grad_mode = everything(network), torch.is_grad_enabled()
    find_sites(network, example)
    assert everything(network) == before
    assert torch.is_grad_enabled() == grad_mode


class Reusing(nn.Module):
    def __init__(self, alias: bool):
        super().__init__()
        self.relu = nn.ReLU()
        self.again = self.relu if alias else None
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return (self.again or self.relu)(self.norm(self.relu(x)) - 1)


@pytest.mark.parametrize("alias", [False, True])
def test_a_relu_that_runs_twice_is_refused(example: Tensor, alias: bool) -> None:
    """Also under two names; and the network that was refused is as it was."""
    network = Reusing(alias).train()
    before = everything(network)
    with pytest.raises(ValueError, match="'relu' runs more than once"):
        find_sites(network, example)
    assert everything(network) == before


@pytest.mark.parametrize("inplace", [False, True])
def test_linearized_network_is_the_one_with_the_published_form(
    example: Tensor, generator: torch.Generator, inplace: bool
) -> None:
    network, masks = Small(inplace).eval(), random_masks(generator)
    linearize(network, masks)

    def site(x: Tensor, name: str) -> Tensor:
        mask = masks[name] if x.ndim == 4 else masks[name].flatten()
        return F.relu(x * mask) + x * ~mask

    x = site(network.stem(example), "first")
    x = network.norm(site(network.block[0](x), "block.1"))
    expected = site(network.fc(x.mean(dim=(2, 3))), "last")
    torch.testing.assert_close(network(example), expected)
    assert [module.inplace for module in network.modules() if isinstance(module, PartialReLU)] == [inplace] * 3


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize(("value", "activation"), [(True, nn.ReLU), (False, nn.Identity)])
def test_extreme_masks(example: Tensor, value: bool, activation: Callable[[], nn.Module], inplace: bool) -> None:
    """All ones: the network as it was. All zeros: the network without its ReLUs."""
    network = Small(inplace).eval()
    expected = copy.deepcopy(network)
    expected.first = expected.block[1] = expected.last = activation()
    linearize(network, {name: torch.full(shape, value) for name, shape in SITES.items()})
    assert torch.equal(network(example), expected(example))


def test_masks_are_read_back(generator: torch.Generator) -> None:
    """Those that were put in, not those of all-ReLU sites; and what comes back is a copy."""
    network, masks = Small(), random_masks(generator)
    assert get_masks(network) == {}
    del masks["block.1"]
    linearize(network, masks)
    found = get_masks(network)
    assert found.keys() == masks.keys()
    assert all(torch.equal(found[name], mask) for name, mask in masks.items())
    assert count_kept(found) == sum(mask.sum().item() for mask in masks.values())
    found["first"].zero_()
    assert torch.equal(get_masks(network)["first"], masks["first"])


def test_a_partial_site_gets_the_new_mask_and_stays_the_same_module(generator: torch.Generator) -> None:
    network = Small()
    linearize(network, random_masks(generator))
    module, new = network.first, random_masks(generator)
    linearize(network, {"first": new["first"]})
    assert network.first is module
    assert torch.equal(module.mask, new["first"])


@pytest.mark.parametrize("name", ["nowhere", "stem", "block", ""])
def test_linearize_refuses_what_is_no_site(name: str) -> None:
    with pytest.raises(ValueError, match=f"no ReLU site '{name}'; its sites are last, first, block.1"):
        linearize(Small(), {name: torch.ones(3, 8, 6, dtype=torch.bool)})


def test_count_kept_by_hand() -> None:
    assert count_kept({"a": torch.ones(2, 3, 4, dtype=torch.bool), "b": torch.eye(5, dtype=torch.bool)[None]}) == 24 + 5
    assert count_kept({}) == 0


def test_capture_holds_what_leaves_the_sites(example: Tensor) -> None:
    """Of the latest pass, with gradients; nothing once the context is left, not even hooks."""
    network = Small().eval()
    before = everything(network)
    with capture(network) as maps:
        network(example + 1)
        y = network(example)
    assert list(maps) == list(SITES)
    first = network.first(network.stem(example))
    block = network.block(first)
    assert torch.equal(maps["first"], first)
    assert torch.equal(maps["block.1"], block)
    assert maps["last"] is y
    (gradient,) = torch.autograd.grad(y.sum(), maps["block.1"])
    assert gradient.abs().sum() > 0
    assert everything(network) == before
    network(example - 1)
    assert torch.equal(maps["first"], first)


def test_capture_of_some_sites_and_after_an_exception(example: Tensor) -> None:
    network, seen = Small().eval(), []
    before = everything(network)

    def stop_within_capture() -> None:
        with capture(network, ["last"]) as maps:
            network(example)
            seen.append(maps)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_within_capture()
    assert list(seen[0]) == ["last"]
    assert everything(network) == before


@pytest.mark.parametrize("inplace", [False, True])
def test_capture_of_what_enters(example: Tensor, inplace: bool) -> None:
    """Detached, and as it entered, also where the site then overwrites it."""
    network = Small(inplace).eval()
    before = everything(network)
    with capture(network, ["first"], before=True) as maps:
        network(example)
    assert list(maps) == ["first"]
    assert torch.equal(maps["first"], network.stem(example))
    assert not maps["first"].requires_grad
    assert everything(network) == before


def test_captured_maps_of_relus_that_work_in_place_are_not_overwritten(example: Tensor) -> None:
    network = Small(inplace=True).eval()
    plain = Small().eval()
    plain.load_state_dict(network.state_dict())
    found = []
    for each in (network, plain):
        with capture(each) as maps:
            each(example)
        found.append(maps)
    assert all(torch.equal(found[0][name], found[1][name]) for name in SITES)
