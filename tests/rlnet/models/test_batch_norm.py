"""Batch norm by mode: which view takes which path, that paths don't leak into each other, and frozen networks."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rlnet.models import ModeNetwork, frozen
from rlnet.models import batch_norm as module
from rlnet.models.batch_norm import SELECTABLE, ModeBatchNorm2d, NormedConv2d, SyncedBatchNorm2d, selectable

Make = Callable[..., ModeNetwork]
NAMES = ["resnet18", "resnet34", "wrn22-8"]
# The path each word takes, from RLNet Sec. 2.3 and AdvProp's triple BN.
EXPECTED = {
    "single": {"normal": 0, "clean": 0, "augmented": 0, "adversarial": 0},
    "dual": {"normal": 0, "clean": 0, "augmented": 0, "adversarial": 1},
    "triple": {"normal": 0, "clean": 0, "augmented": 1, "adversarial": 2},
}
CASES = [(kind, word) for kind, paths in EXPECTED.items() for word in paths]


@pytest.fixture
def x(generator: torch.Generator) -> Tensor:
    return torch.rand(6, 1, 8, 8, generator=generator)


def path_states(network: nn.Module, kind: str) -> list[dict[str, Tensor]]:
    """Affine parameters and statistics of each path, cloned."""
    paths = list(dict.fromkeys(module.PATHS[kind].values()))
    state = network.state_dict()
    return [{key: value.clone() for key, value in state.items() if f".paths.{path}." in key} for path in paths]


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(("kind", "word"), CASES)
def test_training_moves_the_statistics_of_its_own_path_only(tiny_network: Make, x: Tensor, kind: str, word: str) -> None:
    """All of that path's, and not a bit of the others."""
    network = tiny_network(kind=kind).train()
    before = path_states(network, kind)
    network(x, mode=word)
    after = path_states(network, kind)
    for path, (old, new) in enumerate(zip(before, after, strict=True)):
        if path == EXPECTED[kind][word]:
            moved = [key for key in old if "running" in key or "tracked" in key]
            assert len(moved) == 3 * 20  # 17 convolutions of 3x3 and 3 shortcuts
            assert not any(torch.equal(old[key], new[key]) for key in moved)
        else:
            assert same(old, new)


@pytest.mark.parametrize(("kind", "word"), CASES)
def test_gradients_reach_the_affine_parameters_of_their_own_path_only(
    tiny_network: Make, x: Tensor, kind: str, word: str
) -> None:
    network = tiny_network(kind=kind).train()
    network(x, mode=word).square().sum().backward()
    paths = list(dict.fromkeys(module.PATHS[kind].values()))
    own = f".paths.{paths[EXPECTED[kind][word]]}."
    for name, parameter in network.named_parameters():
        assert (parameter.grad is not None) == (".paths." not in name or own in name), name


@pytest.mark.parametrize("name", NAMES)
def test_a_training_step_on_adversarial_images_leaves_the_clean_path_alone(tiny_network: Make, x: Tensor, name: str) -> None:
    """SGD without weight decay: the shared convolutions move, the clean path's affine parameters and statistics do not."""
    network = tiny_network(name).train()
    before, weight = path_states(network, "dual"), network.conv1.weight.detach().clone()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network(x, mode="adversarial").square().sum().backward()
    optimizer.step()
    clean, adversarial = path_states(network, "dual")
    assert same(clean, before[0])
    assert not any(torch.equal(adversarial[key], before[1][key]) for key in adversarial)
    assert not torch.equal(network.conv1.weight, weight)


@pytest.mark.parametrize("training", [True, False])
def test_each_call_chooses_its_path_anew(tiny_network: Make, x: Tensor, training: bool) -> None:
    """No call depends on the mode of the call before; no word means "normal"."""
    network = tiny_network(kind="triple").train(training)
    with torch.no_grad():
        normal, augmented, adversarial = (network(x, mode=mode) for mode in ("normal", "augmented", "adversarial"))
        if not training:
            assert torch.equal(network(x), normal)
            assert torch.equal(network(x, mode="augmented"), augmented)
    for a, b in ((normal, augmented), (normal, adversarial), (augmented, adversarial)):
        assert not torch.allclose(a, b)


@pytest.mark.parametrize("word", ["normal", "adversarial"])
def test_a_single_path_makes_no_difference(tiny_network: Make, x: Tensor, word: str) -> None:
    network = tiny_network(kind="single")
    assert torch.equal(network(x, mode=word), network(x, mode="clean"))


def test_unknown_modes_are_named(tiny_network: Make, x: Tensor) -> None:
    network = tiny_network()
    before = everything(network)
    for use in (
        lambda: network(x, mode="robust"),
        lambda: network.take("robust"),
        lambda: frozen(network, "robust").__enter__(),
    ):
        with pytest.raises(ValueError, match="no mode 'robust'; use one of normal, clean, augmented, adversarial"):
            use()
    assert everything(network) == before


@pytest.mark.parametrize("momentum", [0.1, 0.3])
def test_synced_batch_norm_of_one_process_is_torchs(x: Tensor, momentum: float) -> None:
    x = x.view(2, 3, 8, 8)
    ours, torchs = SyncedBatchNorm2d(3, momentum=momentum), nn.BatchNorm2d(3, momentum=momentum)
    for norm in (ours, torchs):
        norm(x)
    assert same(ours.state_dict(), torchs.state_dict())
    assert torch.equal(ours(x + 1), torchs(x + 1))
    assert torch.equal(ours.eval()(x), torchs.eval()(x))


@pytest.mark.parametrize("momentum", [0.1, 0.3])
def test_synced_batch_norm_of_two_equal_ranks_is_that_of_twice_the_batch(
    x: Tensor, momentum: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ranks that hold the same images sum to twice what one has, and so do their gradients. One training step on either."""
    x = x.view(2, 3, 8, 8) + torch.tensor([0.0, 1.0, -3.0]).view(3, 1, 1)
    weights = torch.linspace(-1, 1, x.numel()).view_as(x)
    ours, torchs = SyncedBatchNorm2d(3, momentum=momentum), nn.BatchNorm2d(3, momentum=momentum)
    one, twice = x.clone().requires_grad_(), torch.cat([x, x]).requires_grad_()
    expected = torchs(twice)
    expected.backward(torch.cat([weights, weights]))
    monkeypatch.setattr(module.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(module.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(module, "all_reduce", lambda tensor: 2 * tensor)
    found = ours(one)
    found.backward(weights)
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found, expected[:2], **close)
    torch.testing.assert_close(one.grad, twice.grad[:2], **close)
    torch.testing.assert_close(2 * ours.weight.grad, torchs.weight.grad, **close)
    torch.testing.assert_close(ours.running_mean, torchs.running_mean, **close)
    torch.testing.assert_close(ours.running_var, torchs.running_var, **close)
    assert torch.equal(ours.num_batches_tracked, torchs.num_batches_tracked)


def everything(network: nn.Module) -> dict[str, Any]:
    """All that `frozen` might change."""
    modules = list(network.modules())
    return {
        "training": [each.training for each in modules],
        "asks": {name: parameter.requires_grad for name, parameter in network.named_parameters()},
        "gradients": {name: parameter.grad for name, parameter in network.named_parameters()},
        "paths": [each.path for each in modules if isinstance(each, ModeBatchNorm2d)],
        "selected": [each.selected for each in modules if isinstance(each, ModeBatchNorm2d)],
        "folded": [each.folded for each in modules if isinstance(each, NormedConv2d)],
        "hooks": [len(each._forward_hooks) for each in modules],
        "state": {name: value.tolist() for name, value in network.state_dict().items()},
    }


def odd(network: ModeNetwork) -> ModeNetwork:
    """Flags and paths that differ from module to module, as no default would restore them."""
    network.train()
    network.layer2.eval()
    network.fc.weight.requires_grad_(False)
    network.layer1[0].conv1.weight.requires_grad_(False)
    network.take("adversarial")
    network.layer3[0].conv1.bn.take("normal")
    return network


@pytest.mark.parametrize("keep", [None, 0.3])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["normal", "adversarial"])
def test_frozen_is_eval_mode(tiny_network: Make, x: Tensor, name: str, mode: str, keep: float | None) -> None:
    """Of that mode, to 1e-5 of the logits' size; and so are the gradients for the images, on which attacks rest."""
    network = tiny_network(name, keep=keep)
    images = x.clone().requires_grad_()
    expected = network(images, mode=mode)
    (expected_gradient,) = torch.autograd.grad(expected.square().sum(), images)
    with frozen(network.train(), mode):
        found = network(images)
        (gradient,) = torch.autograd.grad(found.square().sum(), images)
    scale = expected.abs().max().item()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * scale)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-3, atol=1e-4 * expected_gradient.abs().max().item())


def test_frozen_folds_in_the_type_of_autocast(tiny_network: Make, x: Tensor) -> None:
    network = tiny_network()
    expected = network(x)
    with torch.autocast("cpu", torch.bfloat16), frozen(network, "normal"):
        assert network.conv1.folded[0].dtype == torch.bfloat16
        found = network(x).float()
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05 * expected.abs().max().item())
    with frozen(network, "normal"):
        assert network.conv1.folded[0].dtype == torch.float32


@pytest.mark.parametrize("mode", ["normal", "adversarial"])
@pytest.mark.parametrize("kind", ["single", "dual", "triple"])
def test_frozen_leaves_no_trace(tiny_network: Make, x: Tensor, kind: str, mode: str) -> None:
    network = odd(tiny_network(kind=kind))
    before = everything(network)
    with frozen(network, mode):
        images = x.clone().requires_grad_()
        network(images).sum().backward()
        assert images.grad.abs().sum() > 0
        assert not any(parameter.requires_grad for parameter in network.parameters())
    assert everything(network) == before


def test_frozen_leaves_no_trace_after_an_exception(tiny_network: Make, x: Tensor) -> None:
    network = odd(tiny_network())
    before = everything(network)

    @frozen(network, "normal")
    def stop_within_frozen() -> None:
        network(x)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_within_frozen()
    assert everything(network) == before


def test_frozen_within_frozen(tiny_network: Make, x: Tensor) -> None:
    """The inner mode holds inside, the outer one again after it."""
    network = odd(tiny_network())
    before = everything(network)
    normal, adversarial = (copy.deepcopy(network).eval()(x, mode=mode) for mode in ("normal", "adversarial"))
    with frozen(network, "adversarial"):
        with frozen(network, "normal"):
            torch.testing.assert_close(network(x), normal, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network(x), adversarial, rtol=1e-4, atol=1e-4)
    assert everything(network) == before


def test_training_goes_on_after_frozen_as_if_it_had_not_been(tiny_network: Make, x: Tensor) -> None:
    """Another weight afterwards is another function: nothing folded is kept."""
    network, plain = (tiny_network(seed=3).train() for _ in range(2))
    with frozen(network, "adversarial"):
        network(x)
    for each in (network, plain):
        each.conv1.weight.data.mul_(-1)
    assert torch.equal(network(x), plain(x))
    assert same(network.state_dict(), plain.state_dict())


@pytest.mark.parametrize("keep", [None, 0.3])
@pytest.mark.parametrize("kind", ["single", "dual", "triple"])
@pytest.mark.parametrize("name", ["resnet18", "wrn22-8"])
def test_a_selected_mode_is_eval_mode(tiny_network: Make, x: Tensor, name: str, kind: str, keep: float | None) -> None:
    """Each of the modes by its number, call by call, to 1e-5 of the logits' size."""
    network = tiny_network(name, kind, keep)
    expected = [network(x, mode=mode) for mode in SELECTABLE]
    with selectable(network.train()) as selector:
        for number in (1, 0, 1):
            found = selector(x, torch.tensor(number))
            torch.testing.assert_close(found, expected[number], rtol=1e-5, atol=1e-5 * expected[number].abs().max().item())


@pytest.mark.parametrize("number", [2, -1, -2, torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max])
def test_a_number_of_no_mode_is_an_error_and_leaves_no_trace(tiny_network: Make, x: Tensor, number: int) -> None:
    network = odd(tiny_network())
    before = everything(network)
    with pytest.raises(IndexError), selectable(network) as selector:
        selector(x, torch.tensor(number))
    assert everything(network) == before


@pytest.mark.parametrize("kind", ["single", "dual", "triple"])
def test_selectable_leaves_no_trace(tiny_network: Make, x: Tensor, kind: str) -> None:
    network = odd(tiny_network(kind=kind))
    before = everything(network)
    with selectable(network) as selector:
        frozen_state = everything(network)
        selector(x, torch.tensor(1))
        assert all(a is b for a, b in zip(everything(network)["folded"], frozen_state["folded"], strict=True))
        assert everything(network)["paths"] == frozen_state["paths"]
    assert everything(network) == before
