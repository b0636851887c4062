"""Ascent along the gradient's sign: closed forms of FGSM and PGD, momentum by hand, restarts, early stops."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rlnet.attacks import AttackConfig, Draws, GradientSign, Pixels, pgd_linf
from rlnet.attacks.attack import is_fooled
from rlnet.attacks.losses import margin
from rlnet.models import ModeNetwork, frozen

FGSM = GradientSign(1, 1.0, random_start=False)
B = 6


@pytest.fixture
def x(generator: torch.Generator) -> Tensor:
    return torch.rand(B, 1, 8, 8, generator=generator)


@pytest.fixture
def network(tiny_network: Callable[..., ModeNetwork]) -> ModeNetwork:
    return tiny_network(keep=0.5)


def test_fgsm_is_one_step_of_eps(network: ModeNetwork, x: Tensor) -> None:
    eps = 0.1
    with frozen(network, "adversarial"):
        labels = network(x).argmax(dim=1)
        images = x.clone().requires_grad_()
        F.cross_entropy(network(images), labels, reduction="sum").backward()
        found = FGSM(network, x, labels, eps, Draws(0, B))
    torch.testing.assert_close(found, (x + eps * images.grad.sign()).clamp(0, 1), rtol=0, atol=1e-6)


def test_with_all_steps_it_is_the_pgd_of_training(network: ModeNetwork, x: Tensor) -> None:
    eps = Pixels("0.1")
    labels = torch.arange(B) % 5
    with frozen(network, "adversarial"):
        found = GradientSign(7, 0.3, stop_early=False)(network, x, labels, eps, Draws(0, B))
        noise = Draws(0, B).uniform(torch.arange(B), *x.shape[1:])
        attack = AttackConfig(eps, Pixels("0.03"), 7)
        expected = pgd_linf(lambda z: F.cross_entropy(network(z), labels, reduction="sum"), x, attack, noise)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("loss", [None, margin])
def test_reaches_the_optimum_of_a_linear_classifier(loss: Callable | None, x: Tensor, linear: Callable) -> None:
    """For two classes that is the corner clip(x + eps sign(w)); it fools if any image in the ball does."""
    classifier = linear(64, 2)
    labels, eps = classifier(x).argmax(dim=1), 0.02
    w = (classifier.w[1 - labels] - classifier.w[labels]).view_as(x)
    corner = (x + eps * w.sign()).clamp(0, 1)
    can = is_fooled(classifier(corner), labels)
    assert 0 < can.sum() < B
    options = {} if loss is None else {"loss": loss}
    steps = GradientSign(10, 0.25, **options)
    assert torch.equal(is_fooled(classifier(steps(classifier, x, labels, eps, Draws(0, B))), labels), can)
    last = GradientSign(10, 0.25, stop_early=False, **options)(classifier, x, labels, eps, Draws(0, B))
    torch.testing.assert_close(last, corner, rtol=0, atol=1e-6)


def scripted(*gradients: list[float]) -> Callable:
    """An objective of three pixels whose gradient is the next one given at each call, and that nothing fools."""
    left = iter(gradients)

    def objective(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        loss = (x.flatten(1) * torch.tensor(next(left))).sum(dim=1)
        return loss, torch.zeros_like(rows, dtype=torch.bool)

    return objective


def test_momentum_by_hand() -> None:
    """Gradients of mean 2 and 1.2: [2, -.5, .5], then [2, -.5, .5] + [-2.5, .25, .25] = [-.5, -.25, .75]."""
    x = torch.full((1, 1, 1, 3), 0.5)
    attack = GradientSign(2, 0.5, random_start=False, momentum=1.0)
    found = attack.ascend(scripted([4, -1, 1], [-3, 0.3, 0.3]), x, 0.2, Draws(0, 1))
    assert found.flatten().tolist() == pytest.approx([0.5, 0.3, 0.7])
    without = GradientSign(2, 0.5, random_start=False)
    found = without.ascend(scripted([4, -1, 1], [-3, 0.3, 0.3]), x, 0.2, Draws(0, 1))
    assert found.flatten().tolist() == pytest.approx([0.5, 0.5, 0.7])


def test_momentum_survives_a_flat_loss() -> None:
    x = torch.full((1, 1, 1, 3), 0.5)
    attack = GradientSign(2, 0.5, random_start=False, momentum=1.0)
    assert attack.ascend(scripted([0, 0, 0], [1, 0, -1]), x, 0.2, Draws(0, 1)).flatten().tolist() == pytest.approx(
        [0.6, 0.5, 0.4]
    )


def test_random_starts_are_uniform_in_the_ball() -> None:
    x = torch.full((400, 1, 2, 2), 0.5)
    flat = lambda images, rows: ((0 * images).sum(dim=(1, 2, 3)), torch.zeros_like(rows, dtype=torch.bool))  # noqa: E731
    offset = GradientSign(1).ascend(flat, x, 0.2, Draws(0, 400)) - x
    assert offset.abs().max() <= 0.2 and offset.abs().max() > 0.19
    assert offset.mean().abs() < 0.01 and offset.std() == pytest.approx(0.4 / 12**0.5, rel=0.05)


def test_restarts_attack_what_is_left_and_keep_what_was_found() -> None:
    """Images fool where they start on the upper side of the ball: half of those left, at each start."""
    x, seen = torch.full((64, 1, 1, 1), 0.5), []

    def objective(images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(rows))
        return (0 * images).sum(dim=(1, 2, 3)), images.flatten() > 0.5

    found = GradientSign(1, restarts=3).ascend(objective, x, 0.2, Draws(0, 64))
    after = seen[0], seen[2], seen[4]  # each start but the last also looks at where its step went
    assert after[0] == 64 and 20 < after[1] < 44 and 8 < after[2] < after[1]
    assert 48 < (found.flatten() > 0.5).sum() < 64


def test_stops_for_an_image_at_the_first_iterate_that_fools(x: Tensor) -> None:
    """From 0, in steps of 0.1, images fool from 0.15 and 0.25 on; nothing is looked at after that."""
    x, limits, seen = torch.zeros(2, 1, 1, 1), torch.tensor([0.15, 0.25]), []

    def objective(images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(rows.tolist())
        return images.sum(dim=(1, 2, 3)), images.flatten() > limits[rows]

    attack = GradientSign(9, 0.1, random_start=False)
    assert attack.ascend(objective, x, 1.0, Draws(0, 2)).flatten().tolist() == pytest.approx([0.2, 0.3])
    assert seen == [[0, 1], [0, 1], [0, 1], [1]]
    last = GradientSign(9, 0.1, random_start=False, stop_early=False).ascend(objective, x, 1.0, Draws(0, 2))
    assert last.flatten().tolist() == pytest.approx([0.9, 0.9])


def test_the_last_iterate_counts_before_a_restart() -> None:
    """Two starts of one step: the first one's last iterate fools, so there is no second start."""
    seen = []

    def objective(images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(rows))
        return images.sum(dim=(1, 2, 3)), images.flatten() > 0.15

    attack = GradientSign(1, 1.0, restarts=2, random_start=False)
    assert attack.ascend(objective, torch.zeros(1, 1, 1, 1), 0.2, Draws(0, 1)).item() == pytest.approx(0.2)
    assert seen == [1, 1]


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 5, "restarts": 0}, {"steps": 5, "step_fraction": 0.0}])
def test_no_attack_without_steps(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"needs steps >= 1, restarts >= 1 and a positive step_fraction; not"):
        GradientSign(**wrong)
