"""PGD: ball and box, the closed form of a linear loss, what it must not touch; distances and their configuration."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F
from jsonargparse import ArgumentParser
from torch import Tensor

from rlnet.attacks import AttackConfig, Pixels, pgd_linf
from rlnet.models import ModeNetwork, frozen

B = 6
LABELS = torch.arange(B) % 5


@pytest.fixture
def x(generator: torch.Generator) -> Tensor:
    """Images with pixels at both ends of [0, 1] and close to them."""
    x = torch.rand(B, 1, 8, 8, generator=generator)
    return torch.where(x < 0.1, 0.0, torch.where(x > 0.9, 1.0, x))


@pytest.fixture
def noise(generator: torch.Generator) -> Tensor:
    return torch.rand(B, 1, 8, 8, generator=generator.manual_seed(1))


@pytest.fixture
def network(tiny_network: Callable[..., ModeNetwork]) -> ModeNetwork:
    return tiny_network(keep=0.5)


def cross_entropy(network: ModeNetwork) -> Callable[[Tensor], Tensor]:
    return lambda images: F.cross_entropy(network(images), LABELS)


@pytest.mark.parametrize(
    ("eps", "step_size", "steps"), [("8/255", "2/255", 7), ("0.3", "0.5", 2), ("1", "0.9", 3), ("1/255", "1/1000", 1)]
)
def test_stays_in_ball_and_box(network: ModeNetwork, x: Tensor, noise: Tensor, eps: str, step_size: str, steps: int) -> None:
    attack = AttackConfig(Pixels(eps), Pixels(step_size), steps)
    for u in (noise, torch.zeros_like(noise), torch.ones_like(noise)):
        with frozen(network, "adversarial"):
            x_adv = pgd_linf(cross_entropy(network), x, attack, u)
        assert x_adv.shape == x.shape
        assert (x_adv - x).abs().max() <= attack.eps + 1e-6
        assert x_adv.min() >= 0 and x_adv.max() <= 1
        assert not torch.equal(x_adv, x)


@pytest.mark.parametrize("mode", ["normal", "adversarial"])
def test_raises_the_loss_above_that_of_the_random_start(network: ModeNetwork, x: Tensor, noise: Tensor, mode: str) -> None:
    """And more steps raise it further."""
    with frozen(network, mode):
        loss = cross_entropy(network)
        start = (x + 8 / 255 * (2 * noise - 1)).clamp(0, 1)
        losses = [loss(start).item()]
        losses += [loss(pgd_linf(loss, x, AttackConfig(steps=steps), noise)).item() for steps in (1, 3, 10)]
    assert losses == sorted(losses)
    assert losses[-1] > losses[0] + 0.05


def test_eps_0_gives_the_images_back(network: ModeNetwork, x: Tensor, noise: Tensor) -> None:
    with frozen(network, "normal"):
        assert torch.equal(pgd_linf(cross_entropy(network), x, AttackConfig(eps=Pixels(0)), noise), x)


def test_one_step_of_a_linear_loss(x: Tensor, noise: Tensor, generator: torch.Generator) -> None:
    """P(P(x + eps (2 u - 1)) + a sign(w)), pixels with w = 0 staying where they started."""
    w = torch.randn(x.shape, generator=generator)
    w[:, :, ::3] = 0
    eps, a = 0.1, 0.04
    start = (x + eps * (2 * noise - 1)).clamp(0, 1)
    expected = torch.minimum(torch.maximum(start + a * w.sign(), x - eps), x + eps).clamp(0, 1)
    found = pgd_linf(lambda images: (w * images).sum(), x, AttackConfig(Pixels(eps), Pixels(a), 1), noise)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_enough_steps_of_a_linear_loss_reach_its_maximum(x: Tensor, noise: Tensor, generator: torch.Generator) -> None:
    """The corner x + eps sign(w) of the ball, cut to the box, from any start."""
    w = torch.randn(x.shape, generator=generator)
    attack = AttackConfig(Pixels("0.1"), Pixels("0.05"), 4)
    found = pgd_linf(lambda images: (w * images).sum(), x, attack, noise)
    torch.testing.assert_close(found, (x + 0.1 * w.sign()).clamp(0, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("loss", [torch.sum, torch.mean, lambda images: (images * torch.ones(())).sum()])
def test_any_scalar_loss_will_do(loss: Callable[[Tensor], Tensor], x: Tensor, noise: Tensor) -> None:
    """The gradient of a sum is one number seen from every pixel, which must not be written to."""
    found = pgd_linf(loss, x, AttackConfig(Pixels("0.1"), Pixels("0.2"), 1), noise)
    torch.testing.assert_close(found, (x + 0.1).clamp(max=1))


def test_starts_uniformly_in_the_ball() -> None:
    """A flat loss leaves the start: x - eps, x, x + eps for u = 0, 1/2, 1."""
    x, u = torch.full((1, 1, 1, 3), 0.5), torch.tensor([0, 0.5, 1]).view(1, 1, 1, 3)
    found = pgd_linf(lambda images: (0 * images).sum(), x, AttackConfig(eps=Pixels("0.2")), u)
    assert found.flatten().tolist() == pytest.approx([0.3, 0.5, 0.7])


def test_the_noise_decides_everything(network: ModeNetwork, x: Tensor, noise: Tensor) -> None:
    """Not torch's own generator, whose state stays; and nothing that was given is written to."""
    given = x.clone(), noise.clone()
    with frozen(network, "normal"):
        first = pgd_linf(cross_entropy(network), x, AttackConfig(), noise)
        torch.manual_seed(1234)
        state = torch.get_rng_state()
        second = pgd_linf(cross_entropy(network), x, AttackConfig(), noise)
        assert torch.equal(torch.get_rng_state(), state)
        other = pgd_linf(cross_entropy(network), x, AttackConfig(), 1 - noise)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(x, given[0]) and torch.equal(noise, given[1])


def test_an_image_is_attacked_alone(network: ModeNetwork, x: Tensor, noise: Tensor) -> None:
    """In eval-mode batch norm its neighbours in the batch don't matter, but for ties and rounding at single pixels."""
    with frozen(network, "adversarial"):
        together = pgd_linf(cross_entropy(network), x, AttackConfig(), noise)
        alone = pgd_linf(lambda images: F.cross_entropy(network(images), LABELS[:1]), x[:1], AttackConfig(), noise[:1])
    assert ((together[:1] - alone).abs() < 1e-6).float().mean() > 0.9


@pytest.mark.parametrize("grad_mode", [True, False])
def test_only_the_images_get_a_gradient(network: ModeNetwork, x: Tensor, noise: Tensor, grad_mode: bool) -> None:
    """Also where the caller needs none; the network keeps its weights, statistics and flags; the images are detached."""
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with frozen(network, "adversarial"), torch.set_grad_enabled(grad_mode):
        x_adv = pgd_linf(cross_entropy(network), x, AttackConfig(), noise)
    assert not x_adv.requires_grad
    assert x_adv.grad_fn is None
    assert not x.requires_grad and x.grad is None
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training


def test_torch_gives_gradients_to_no_parameter_even_outside_frozen(network: ModeNetwork, x: Tensor, noise: Tensor) -> None:
    pgd_linf(cross_entropy(network), x, AttackConfig(steps=1), noise)
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("8/255", 8 / 255),
        ("8 / 255", 8 / 255),
        ("0.03", 0.03),
        (0.03, 0.03),
        ("1e-3", 0.001),
        (1e-5, 1e-5),
        (0, 0.0),
        ("1", 1.0),
    ],
)
def test_distances(written: str | float, value: float) -> None:
    assert Pixels(written) == value
    assert isinstance(Pixels(written), float)


@pytest.mark.parametrize("written", ["", "eight", "8/0", "8/255/2", "8//255", "nan", "inf", "0x10", None, True, [8, 255]])
def test_what_is_no_distance_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"is not a distance in \[0, 1\] pixels; write it like 8/255 or 0.03"):
        Pixels(written)


def test_distances_stay_as_they_were_written() -> None:
    """In copies, in other processes and in the configuration that a run saves."""
    eps = Pixels("8 / 255")
    for copied in (eps, copy.deepcopy(eps), pickle.loads(pickle.dumps(eps)), Pixels(eps), asdict(AttackConfig(eps))["eps"]):
        assert str(copied) == "8/255"
        assert copied == 8 / 255


def test_distances_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    parser.add_class_arguments(AttackConfig, "attack")
    found = parser.parse_args(["--attack.eps", "4/255", "--attack.step_size=0.01"])
    assert (found.attack.eps, found.attack.step_size) == (4 / 255, 0.01)
    assert "eps: 4/255" in parser.dump(found)
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(["--attack.eps", "four"])
    assert "'four' is not a distance" in capsys.readouterr().err


@pytest.mark.parametrize("eps", ["-1/255", "256/255", "8"])
def test_no_ball_of_such_a_radius(eps: str) -> None:
    with pytest.raises(ValueError, match=rf"eps is a distance in \[0, 1\] pixels, for instance 8/255; not {eps}"):
        AttackConfig(eps=Pixels(eps))


@pytest.mark.parametrize("wrong", [{"step_size": Pixels(0)}, {"step_size": Pixels("-1/255")}, {"steps": 0}, {"steps": -1}])
def test_no_attack_without_steps(wrong: dict) -> None:
    with pytest.raises(ValueError, match="a positive step_size and steps >= 1"):
        AttackConfig(**wrong)
