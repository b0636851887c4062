"""The attack that knows the switch, on linear paths where a grid of all images in reach tells the right answer."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rlnet.attacks import Draws, GradientSign
from rlnet.attacks.losses import margin
from rlnet.attacks.objective import loss_and_gradient
from rlnet.evaluation.adaptive import attack_switch, through
from rlnet.evaluation.paths import Paths, open_paths
from rlnet.models import Switch
from rlnet.models.words import SCORES

ATTACK = GradientSign(60, 0.05)
STEEP = 10.0


def two_pixels(score: Any, threshold: float) -> Paths:
    """Class 1 is a bright first pixel for the normal path, and a bright second one for the adversarial path."""

    def path(pixel: int) -> Any:
        def classifier(x: Tensor) -> Tensor:
            lead = STEEP * (x[:, 0, 0, pixel] - 0.5)
            return torch.stack([-lead / 2, lead / 2], dim=1)

        return classifier

    return Paths({"normal": path(0), "adversarial": path(1)}, Switch(score, threshold))


def all_in_reach(x: Tensor, eps: float) -> Tensor:
    """A grid of 81 x 81 images of two pixels around one of them, (6561, 1, 1, 2)."""
    offsets = torch.linspace(-eps, eps, 81)
    return (x + torch.cartesian_prod(offsets, offsets).view(-1, 1, 1, 2)).clamp(0, 1)


def wrong_within(paths: Paths, x: Tensor, labels: Tensor, eps: float) -> Tensor:
    """Whether mode "auto" is wrong on some image of the grid, bool (B,)."""
    grids = [paths.logits(all_in_reach(image, eps))["auto"].argmax(dim=1) for image in x]
    return torch.stack([(answers != label).any() for answers, label in zip(grids, labels, strict=True)])


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("threshold", [0.0, 0.55, 0.7, 0.9, 1.01])
def test_finds_what_can_be_found(score: Any, threshold: float) -> None:
    """Nothing else, and all but those on which, by score "adversarial", a wrong path and its confidence pull equally hard."""
    paths, eps = two_pixels(score, threshold), 0.2
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 1, 1, 2, generator=generator)
    labels = torch.randint(2, (200,), generator=generator)
    found = attack_switch(paths, x, labels, eps, ATTACK, Draws(0, 200))
    can = wrong_within(paths, x, labels, eps)
    wrong = found["normal"] | found["adversarial"]
    assert 100 < can.sum() < 180
    assert not (wrong & ~can).any()
    assert (can & ~wrong).sum() <= (10 if score == "adversarial" else 0)


def test_is_not_held_back_by_confidence_in_the_right_answer() -> None:
    """By score "normal" two classes have margin + excess constant wherever the answer is right and not confident."""
    paths = two_pixels("normal", 0.9)
    x = torch.tensor([0.6, 1.0]).view(1, 1, 1, 2).repeat(50, 1, 1, 1)
    labels = torch.ones(50, dtype=torch.int64)
    attack = replace(ATTACK, random_start=False)
    assert attack_switch(paths, x, labels, 0.4, attack, Draws(0, 50))["normal"].all()


def test_threshold_0_is_the_attack_on_the_normal_path(trained: Any) -> None:
    x, labels = trained.test.images.float() / 255, trained.test.labels
    with open_paths(trained.network, ("normal", "adversarial"), Switch("agreement", 0.0)) as paths:
        found = attack_switch(paths, x, labels, 8 / 255, GradientSign(5), Draws(0, 80))
        assert_like_one_path(found, paths, "normal", x, labels)


def test_a_threshold_above_1_is_the_attack_on_the_adversarial_path(trained: Any) -> None:
    x, labels = trained.test.images.float() / 255, trained.test.labels
    with open_paths(trained.network, ("normal", "adversarial"), Switch("agreement", 1.01)) as paths:
        found = attack_switch(paths, x, labels, 8 / 255, GradientSign(5), Draws(0, 80))
        assert_like_one_path(found, paths, "adversarial", x, labels)


def assert_like_one_path(found: dict[str, Tensor], paths: Paths, path: str, x: Tensor, labels: Tensor) -> None:
    """The margin attack on that path, with the same draws; on the other one nothing but what is wrong anyway."""
    network, other = paths.by_path[path], "normal" if path == "adversarial" else "adversarial"
    x_adv = GradientSign(5, loss=margin)(network, x, labels, 8 / 255, Draws(0, 80).stream(f"through {path}"))
    clean = network(x).argmax(dim=1) != labels
    assert torch.equal(found[path], (network(x_adv).argmax(dim=1) != labels) | clean)
    assert torch.equal(found[other], clean)
    assert clean.sum() < found[path].sum() < 80


@pytest.mark.parametrize("score", SCORES)
def test_finds_about_as_much_as_attacks_on_either_path_that_do_not_know_the_switch(score: Any, trained: Any) -> None:
    """Images made on one path by the same steps, shown to the switch."""
    x, labels = trained.test.images.float() / 255, trained.test.labels
    attack = GradientSign(20, loss=margin)
    with open_paths(trained.network, ("normal", "adversarial"), Switch(score, 0.7)) as paths:
        found = attack_switch(paths, x, labels, 4 / 255, attack, Draws(0, 80))
        blind = {}
        for path, network in paths.by_path.items():
            x_adv = replace(attack, stop_early=False)(network, x, labels, 4 / 255, Draws(0, 80))
            blind[path] = paths.logits(x_adv)["auto"].argmax(dim=1) != labels
    knowing = (found["normal"] | found["adversarial"]).sum()
    assert knowing >= (blind["normal"] | blind["adversarial"]).sum() - 1
    assert 20 < knowing < 80


@pytest.mark.parametrize("score", SCORES)
def test_images_that_auto_gets_wrong_unattacked_count_as_wrong(score: Any, trained: Any) -> None:
    x, labels = trained.test.images.float() / 255, trained.test.labels
    with open_paths(trained.network, ("normal", "adversarial"), Switch(score, 0.7)) as paths:
        clean = paths.logits(x)["auto"].argmax(dim=1) != labels
        found = attack_switch(paths, x, labels, 0.0, GradientSign(2), Draws(0, 80))
    assert 0 < clean.sum() < 80
    assert torch.equal(found["normal"], clean) and torch.equal(found["adversarial"], clean)


@pytest.mark.parametrize("path", ["normal", "adversarial"])
@pytest.mark.parametrize("score", ["agreement", "adversarial"])
def test_the_gradient_goes_through_the_switch(path: str, score: Any) -> None:
    """With the wrong answer on the chosen path the second pixel still tells the switch where to go.

    (0.2, 0.4), label 1: both paths are wrong, the adversarial one with odds e against it: confidence 0.73 in class 0. The
    normal side needs more of it, a darker second pixel, and the adversarial side less, a brighter one.
    """
    x, labels, rows = torch.tensor([0.2, 0.4]).view(1, 1, 1, 2), torch.ones(1, dtype=torch.int64), torch.arange(1)
    for threshold, is_normal in ((0.6, True), (0.9, False)):
        paths = two_pixels(score, threshold)
        loss, wrong, gradient = loss_and_gradient(through(path, paths, labels), x, rows)
        excess = 1 - torch.tensor(threshold / (1 - threshold)).log().item()
        second = gradient[0, 0, 0, 1].item()
        assert wrong.item() and (excess > 0) == is_normal
        if path == "normal":
            assert loss.item() == pytest.approx(0.3 * STEEP + min(excess, 0), abs=1e-4)
            assert second == pytest.approx(0 if is_normal else -STEEP, rel=1e-3)
        else:
            assert loss.item() == pytest.approx(0.1 * STEEP - max(excess, 0), abs=1e-4)
            assert second == pytest.approx(0 if is_normal else -STEEP, abs=1e-3)


def test_a_right_answer_s_confidence_is_no_part_of_the_objective_through_the_normal_path() -> None:
    paths = two_pixels("normal", 0.9)
    x, labels = torch.tensor([0.6, 0.4]).view(1, 1, 1, 2), torch.ones(1, dtype=torch.int64)
    loss, wrong, gradient = loss_and_gradient(through("normal", paths, labels), x, torch.arange(1))
    assert loss.item() == pytest.approx(-0.1 * STEEP, abs=1e-5)
    assert gradient.flatten().tolist() == pytest.approx([-STEEP, 0], abs=1e-4)
    assert wrong.item()  # not confident enough, so the adversarial path decides
