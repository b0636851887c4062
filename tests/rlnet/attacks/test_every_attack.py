"""What every attack keeps to: ball, box, its images, its draws, its images one by one, one batch-norm path."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from rlnet.attacks import Attack, AutoPGD, DeepFool, Draws, GradientSign, Square, TargetedAutoPGD, TargetedFAB
from rlnet.attacks.losses import dlr, margin
from rlnet.models import ModeNetwork, frozen

B = 6
ATTACKS: dict[str, Attack] = {
    "fgsm": GradientSign(1, 1.0, random_start=False),
    "pgd": GradientSign(5, restarts=2),
    "pgd, all steps": GradientSign(5, restarts=2, stop_early=False),
    "mi-fgsm": GradientSign(4, 0.25, random_start=False, momentum=1.0),
    "cw": GradientSign(5, loss=margin),
    "apgd-ce": AutoPGD(steps=12),
    "apgd-dlr": AutoPGD(dlr, steps=12),
    "apgd-t": TargetedAutoPGD(targets=3, steps=8),
    "fab-t": TargetedFAB(targets=3, steps=8),
    "square": Square(40),
    "deepfool": DeepFool(steps=8),
    "deepfool-2": DeepFool("2", steps=8),
}
RANDOM = [name for name in ATTACKS if name not in ("fgsm", "mi-fgsm", "fab-t", "deepfool", "deepfool-2")]


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest) -> Attack:
    return ATTACKS[request.param]


@pytest.fixture
def x(generator: torch.Generator) -> Tensor:
    """Images with pixels at both ends of [0, 1]."""
    x = torch.rand(B, 1, 8, 8, generator=generator)
    return torch.where(x < 0.1, 0.0, torch.where(x > 0.9, 1.0, x))


@pytest.fixture
def network(tiny_network: Callable[..., ModeNetwork]) -> Iterator[ModeNetwork]:
    network = tiny_network("two convolutions", keep=0.5)
    with frozen(network, "adversarial"):
        yield network


@pytest.fixture
def labels(network: ModeNetwork, x: Tensor) -> Tensor:
    """The network's predictions, which the attacks are to change."""
    return network(x).argmax(dim=1)


@pytest.mark.parametrize("eps", [8 / 255, 0.3, 1.0])
def test_stays_in_ball_and_box(attack: Attack, network: ModeNetwork, x: Tensor, labels: Tensor, eps: float) -> None:
    x_adv = attack(network, x, labels, eps, Draws(0, B))
    assert x_adv.shape == x.shape and x_adv.dtype == x.dtype
    assert (x_adv - x).abs().max() <= eps + 1e-6
    assert x_adv.min() >= 0 and x_adv.max() <= 1
    assert not torch.equal(x_adv, x)


def test_fools_where_the_ball_is_everything(attack: Attack, network: ModeNetwork, x: Tensor, labels: Tensor) -> None:
    fooled = network(attack(network, x, labels, 1.0, Draws(0, B))).argmax(dim=1) != labels
    assert fooled.sum() >= 3


def test_eps_0_gives_the_images_back(attack: Attack, network: ModeNetwork, x: Tensor, labels: Tensor) -> None:
    assert torch.equal(attack(network, x, labels, 0.0, Draws(0, B)), x)


def test_writes_to_nothing_that_was_given(attack: Attack, network: ModeNetwork, x: Tensor, labels: Tensor) -> None:
    given = x.clone(), labels.clone()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    attack(network, x, labels, 0.1, Draws(0, B))
    assert torch.equal(x, given[0]) and torch.equal(labels, given[1])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("grad_mode", [True, False])
def test_only_the_images_get_gradients(attack: Attack, x: Tensor, tiny_network: Callable, grad_mode: bool) -> None:
    """Also outside `frozen`, where parameters ask for one, and where the caller wants none."""
    network = tiny_network("two convolutions")
    labels = network(x).argmax(dim=1)
    with torch.set_grad_enabled(grad_mode):
        x_adv = attack(network, x, labels, 0.1, Draws(0, B))
    assert not x_adv.requires_grad and x_adv.grad_fn is None
    assert not x.requires_grad and x.grad is None
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_draws_decide_everything(attack: Attack, network: ModeNetwork, x: Tensor, labels: Tensor) -> None:
    first = attack(network, x, labels, 0.05, Draws(0, B))
    torch.manual_seed(1234)
    state = torch.get_rng_state()
    assert torch.equal(attack(network, x, labels, 0.05, Draws(0, B)), first)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", RANDOM)
def test_other_draws_give_other_images(name: str, network: ModeNetwork, x: Tensor, labels: Tensor) -> None:
    first, second = (ATTACKS[name](network, x, labels, 0.05, Draws(seed, B)) for seed in (0, 1))
    assert not torch.equal(first, second)


def test_an_image_is_attacked_alone(attack: Attack, network: ModeNetwork, x: Tensor, labels: Tensor) -> None:
    """Its neighbours in the batch, and when they are fooled, don't matter, but for rounding at single pixels."""
    together = attack(network, x, labels, 0.05, Draws(0, B))
    others = x.flip(2).clone()
    others[0] = x[0]
    beside = attack(network, others, torch.cat([labels[:1], labels[1:] + 1]) % 5, 0.05, Draws(0, B))
    assert ((together[:1] - beside[:1]).abs() < 1e-4).float().mean() > 0.9


@pytest.mark.parametrize("mode", ["normal", "adversarial"])
def test_takes_the_mode_of_frozen_and_no_other_path(attack: Attack, x: Tensor, tiny_network: Callable, mode: str) -> None:
    """Nothing changes where the other path's batch norms are destroyed, and all does where this path's are."""
    found = {}
    for destroyed in ("none", "clean", "adversarial"):
        network = tiny_network("two convolutions")
        for name, tensor in (*network.named_parameters(), *network.named_buffers()):
            if f".paths.{destroyed}." in name and tensor.dtype.is_floating_point:
                tensor.data.fill_(float("nan"))
        with frozen(network, mode):
            labels = tiny_network("two convolutions")(x, mode=mode).argmax(dim=1)
            found[destroyed] = attack(network, x, labels, 0.3, Draws(0, B)).nan_to_num(nan=-1)
    own, other = ("clean", "adversarial") if mode == "normal" else ("adversarial", "clean")
    assert torch.equal(found["none"], found[other])
    assert not torch.equal(found["none"], found[own])


def test_counts_its_passes(attack: Attack, x: Tensor) -> None:
    """Forward and backward passes per image of a network that nothing fools are at most `passes`, up to a few forward ones."""
    counted = {"forward": 0, "backward": 0}

    def classifier(images: Tensor) -> Tensor:
        counted["forward"] += 1
        logits = torch.tensor([9.0, 1.0, 2.0, 0.0, -1.0]) + 1e-3 * images.mean(dim=(1, 2, 3))[:, None] * torch.arange(5)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: counted.update(backward=counted["backward"] + 1))
        return logits

    attack(classifier, x, torch.zeros(B, dtype=torch.int64), 0.05, Draws(0, B))
    assert 0 < counted["forward"] + counted["backward"] <= attack.passes + 3
