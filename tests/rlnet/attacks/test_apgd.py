"""Auto-PGD: checkpoints and step sizes by hand, momentum by hand, the optimum of linear classifiers, targets."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rlnet.attacks import AutoPGD, Draws, TargetedAutoPGD
from rlnet.attacks.apgd import State, at_checkpoint, auto_pgd, checkpoints
from rlnet.attacks.attack import is_fooled
from rlnet.attacks.losses import dlr
from rlnet.attacks.objective import Found


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (100, [22, 41, 57, 70, 80, 87, 93, 99]),  # p: .22, + .19, + .16, + .13, + .10, + .07, + .06, + .06
        (10, [3, 5, 6, 7, 8, 9, 10]),  # 2.2, 4.1, 5.7, 7, 8, 8.7, 9.3, 9.9, rounded up
        (50, [11, 21, 29, 35, 40, 44, 47, 50]),
        (1, [1]),
    ],
)
def test_checkpoints(steps: int, expected: list[int]) -> None:
    assert checkpoints(steps) == expected


def test_momentum_by_hand() -> None:
    """One pixel in [0.1, 0.9], from one end: to the other end, then z is the first end again.

    x_2 = x_1 + 0.75 (z - x_1) + 0.25 (x_1 - x_0) = 0.9 - 0.6 + 0.2 = 0.5.
    """
    seen = []

    def objective(x: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(x.item())
        towards = -1 if len(seen) % 2 else 1
        rising = 10.0 * len(seen)  # so that no checkpoint halves the step
        return (towards * (seen[0] - 0.5) * x).sum(dim=(1, 2, 3)) + rising, torch.zeros(1, dtype=torch.bool)

    x = torch.full((1, 1, 1, 1), 0.5)
    auto_pgd(objective, x, 0.4, 2, Draws(0, 1), Found(x))
    start = seen[0]
    assert abs(start - 0.5) == pytest.approx(0.4)
    assert seen == pytest.approx([start, 1 - start, 0.5])


def state(**changed: list) -> State:
    """Four images of one pixel, none of which has met a reason to halve its step of 0.2 in 22 steps."""
    values = {name: [0.0] * 4 for name in State._fields}
    values |= {"step": [0.2] * 4, "rises": [20] * 4, "halved": [False] * 4, "best_loss": [2.0] * 4, "checked_loss": [1.0] * 4}
    values |= {"x": [0.1] * 4, "gradient": [0.3] * 4, "best": [0.5] * 4, "best_gradient": [0.7] * 4} | changed
    images = ("low", "high", "x", "previous", "gradient", "best", "best_gradient", "step")
    tensors = {name: torch.tensor(value) for name, value in values.items()}
    return State(**{name: tensor.view(4, 1, 1, 1) if name in images else tensor for name, tensor in tensors.items()})


def halved(after: State) -> list[bool]:
    """Which steps were halved; those images, and no others, went back to the best one, with its gradient."""
    found = after.halved.tolist()
    assert after.step.flatten().tolist() == pytest.approx([0.1 if halve else 0.2 for halve in found])
    assert after.x.flatten().tolist() == pytest.approx([0.5 if halve else 0.1 for halve in found])
    assert after.gradient.flatten().tolist() == pytest.approx([0.7 if halve else 0.3 for halve in found])
    assert after.rises.tolist() == [0] * 4 and torch.equal(after.checked_loss, after.best_loss)
    return found


def test_too_few_rises_halve_the_step() -> None:
    """0.75 * 22 = 16.5, and 0.75 * 16 = 12, where 12 are still too few in the authors' code."""
    assert halved(at_checkpoint(state(rises=[22, 17, 16, 0]), 22)) == [False, False, True, True]
    assert halved(at_checkpoint(state(rises=[14, 13, 12, 11]), 16)) == [False, False, True, True]


def test_a_best_loss_that_stays_halves_a_step_that_stayed() -> None:
    """Not one that was halved at the last checkpoint, which gets time to find a better image."""
    before = state(best_loss=[1.5, 1.0, 1.5, 1.0], checked_loss=[1.0] * 4, halved=[False, False, True, True])
    assert halved(at_checkpoint(before, 22)) == [False, True, False, False]


def test_steps_shrink_until_the_maximum_is_met() -> None:
    """-|x - c| is at its maximum within eps / 100 of c, where steps of 2 eps would jump over it for ever."""
    x, eps = torch.full((8, 1, 2, 2), 0.5), 0.2
    c = 0.5 + eps * (2 * torch.rand(x.shape, generator=torch.Generator().manual_seed(5)) - 1)

    def objective(images: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        return -(images - c[rows]).abs().sum(dim=(1, 2, 3)), torch.zeros_like(rows, dtype=torch.bool)

    found = Found(x)
    auto_pgd(objective, x, eps, 100, Draws(0, 8), found)
    assert (found.x_adv - c).abs().mean() < eps / 25
    early = Found(x)
    auto_pgd(objective, x, eps, 10, Draws(0, 8), early)
    assert (early.x_adv - c).abs().mean() > eps / 25


@pytest.mark.parametrize(
    ("attack", "classes"), [(AutoPGD(steps=10), 2), (AutoPGD(dlr, steps=30), 3), (TargetedAutoPGD(steps=30), 5)]
)
def test_reaches_the_optimum_of_a_linear_classifier(attack: AutoPGD, classes: int, linear: Callable) -> None:
    """It fools wherever one of the corners clip(x + eps sign(w_k - w_y)) does."""
    classifier, eps = linear(48, classes), 0.03
    x = torch.rand(40, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    labels = classifier(x).argmax(dim=1)
    can = torch.zeros(40, dtype=torch.bool)
    for k in range(classes):
        corner = (x + eps * (classifier.w[k] - classifier.w[labels]).view_as(x).sign()).clamp(0, 1)
        can |= is_fooled(classifier(corner), labels)
    assert 5 < can.sum() < 35
    assert torch.equal(is_fooled(classifier(attack(classifier, x, labels, eps, Draws(0, 40))), labels), can)


@pytest.mark.parametrize(("classes", "targets", "used"), [(12, 9, 9), (5, 9, 4), (5, 2, 2)])
def test_targets_are_the_most_likely_wrong_classes(classes: int, targets: int, used: int) -> None:
    """For a network that nothing fools: one pass to find them, then steps + 1 for each, towards each in turn."""
    towards = []

    def classifier(x: Tensor) -> Tensor:
        logits = 50.0 - torch.arange(classes) + 1e-3 * torch.stack([x.flatten(1).sum(dim=1)] * classes, dim=1)
        if logits.requires_grad:
            logits.register_hook(lambda gradient: towards.append(gradient[0].topk(2).indices.tolist()))
        return logits

    x = torch.full((2, 1, 2, 2), 0.5)
    TargetedAutoPGD(targets, steps=3)(classifier, x, torch.zeros(2, dtype=torch.int64), 0.1, Draws(0, 2))
    assert len(towards) == used * 4
    assert all(step // 4 + 1 in found for step, found in enumerate(towards))


@pytest.mark.parametrize(("attack", "classes"), [(AutoPGD(dlr), 2), (TargetedAutoPGD(), 2), (TargetedAutoPGD(), 3)])
def test_too_few_classes(attack: AutoPGD, classes: int, linear: Callable) -> None:
    classifier, x = linear(4, classes), torch.full((1, 1, 2, 2), 0.25)
    with pytest.raises(ValueError, match=f"the network tells only {classes} classes apart; use an attack on the cross-entropy"):
        attack(classifier, x, classifier(x).argmax(dim=1), 0.1, Draws(0, 1))
