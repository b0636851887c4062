"""The automatic switch by hand, and mode "auto" of a network: per call, fixed, per image, and refused where it cannot be."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rlnet.models import ModeNetwork, Switch, frozen

NORMAL = torch.tensor([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.5]])
ADVERSARIAL = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])
THIRD_OF = {
    "normal": [math.exp(2) / (math.exp(2) + 2), math.exp(3) / (math.exp(3) + 2), math.exp(0.5) / (math.exp(0.5) + 2)],
    "adversarial": [math.e / (math.e + 2), math.exp(2) / (math.exp(2) + 2), math.e / (math.e + 2)],
    "agreement": [math.e / (math.e + 2), 1 / (math.exp(2) + 2), 1 / (math.e + 2)],
}


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    return torch.rand(40, 1, 8, 8, generator=generator)


@pytest.mark.parametrize("score", THIRD_OF)
def test_confidence_by_hand(score: str) -> None:
    confidence = Switch(score, 0.5).confidence(NORMAL, ADVERSARIAL)
    assert confidence.tolist() == pytest.approx(THIRD_OF[score], rel=1e-6)


@pytest.mark.parametrize("score", THIRD_OF)
@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.6, 0.8, 1.01])
def test_each_image_takes_the_path_that_the_threshold_says(score: str, threshold: float) -> None:
    switch = Switch(score, threshold)
    expected = [n if s >= threshold else a for n, a, s in zip(NORMAL, ADVERSARIAL, THIRD_OF[score], strict=True)]
    assert torch.equal(switch.logits(NORMAL, ADVERSARIAL), torch.stack(expected))
    excess = switch.excess(NORMAL, ADVERSARIAL)
    assert ((excess >= 0) == torch.tensor([s >= threshold for s in THIRD_OF[score]])).all()


def test_excess_is_the_difference_of_log_odds() -> None:
    def log_odds(p: float) -> float:
        return math.log(p / (1 - p))

    found = Switch("agreement", 0.3).excess(NORMAL, ADVERSARIAL)
    assert found.tolist() == pytest.approx([log_odds(s) - log_odds(0.3) for s in THIRD_OF["agreement"]], rel=1e-5)


@pytest.mark.parametrize("score", THIRD_OF)
def test_excess_has_a_gradient_also_where_the_confidence_is_1(score: str) -> None:
    normal, adversarial = (torch.tensor([[60.0, 0.0, 0.0]], requires_grad=True) for _ in range(2))
    Switch(score, 0.5).excess(normal, adversarial).sum().backward()
    gradients = [logits.grad for logits in (normal, adversarial) if logits.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


def test_a_switch_that_cannot_be_is_refused() -> None:
    for threshold in (-0.1, math.nan):
        with pytest.raises(ValueError, match="a switch's threshold is a confidence, 0 or more"):
            Switch("agreement", threshold)
    with pytest.raises(ValueError, match="a switch's score is agreement, normal, adversarial; not 'luck'"):
        Switch("luck", 0.5)


def test_auto_is_the_switch_on_both_paths(tiny_network: Callable[..., ModeNetwork], images: Tensor) -> None:
    network = tiny_network()
    with torch.no_grad():
        normal, adversarial = network(images, mode="normal"), network(images, mode="adversarial")
        network.switch = Switch("normal", float(normal.softmax(dim=1).amax(dim=1).median()))
        found = network(images, mode="auto")
    is_normal, is_adversarial = (found == normal).all(dim=1), (found == adversarial).all(dim=1)
    assert (is_normal ^ is_adversarial).all()
    assert 15 <= int(is_normal.sum()) <= 25


def test_a_fixed_mode_is_that_of_calls_that_name_none(tiny_network: Callable[..., ModeNetwork], images: Tensor) -> None:
    network = tiny_network()
    network.switch = Switch("agreement", 0.3)
    with torch.no_grad():
        for mode in ("adversarial", "auto", "normal"):
            assert network.mode(mode) is network
            assert torch.equal(network(images), network(images, mode=mode))
            assert torch.equal(network(images, mode="adversarial"), network.mode("adversarial")(images))


def test_an_image_is_alone_in_its_batch(tiny_network: Callable[..., ModeNetwork], images: Tensor) -> None:
    network = tiny_network()
    network.switch = Switch("agreement", 0.3)
    with torch.no_grad():
        together, alone = network(images, mode="auto"), torch.cat([network(x[None], mode="auto") for x in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


def test_auto_is_refused_where_it_cannot_be(tiny_network: Callable[..., ModeNetwork], images: Tensor) -> None:
    network = tiny_network()
    for call in (lambda: network.mode("auto"), lambda: network(images, mode="auto")):
        with pytest.raises(ValueError, match=r"needs a threshold; calibrate one \(python -m rlnet.calibrate\)"):
            call()
    with pytest.raises(ValueError, match="there is no mode 'robust'; use one of normal, adversarial, auto"):
        network.mode("robust")
    network.switch = Switch("agreement", 0.3)
    with pytest.raises(ValueError, match=r"is for a trained network; call eval\(\) first"):
        network.train()(images, mode="auto")


def test_two_paths(tiny_network: Callable[..., ModeNetwork]) -> None:
    assert tiny_network(kind="dual").has_two_paths and tiny_network(kind="triple").has_two_paths
    assert not tiny_network(kind="single").has_two_paths


def test_within_frozen_the_mode_is_fixed(tiny_network: Callable[..., ModeNetwork], images: Tensor) -> None:
    network = tiny_network()
    network.switch = Switch("agreement", 1.01)
    with torch.no_grad():
        normal = network(images, mode="normal")
        with frozen(network, "normal", torch.float32):
            torch.testing.assert_close(network.mode("auto")(images), normal, rtol=1e-3, atol=1e-3)
