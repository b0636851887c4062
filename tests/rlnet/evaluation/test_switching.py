"""The automatic switch: logits by hand, the largest threshold and the AUC by brute force, detection at both ends."""

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from rlnet.calibrate import CalibrateConfig
from rlnet.data import ImageSet
from rlnet.evaluation.calibration import calibrate_network
from rlnet.evaluation.paths import open_paths
from rlnet.evaluation.switching import auc, calibrate, detection, largest_threshold
from rlnet.models import Switch
from rlnet.models.words import SCORES
from rlnet.trained import read_switch

CPU = torch.device("cpu")
PATHS = ("normal", "adversarial")


def by_hand(score: str, threshold: float, normal: Tensor, adversarial: Tensor) -> Tensor:
    """The logits of mode "auto", image by image."""
    chosen = []
    for z_normal, z_adversarial in zip(normal, adversarial, strict=True):
        p_normal, p_adversarial = z_normal.softmax(0).tolist(), z_adversarial.softmax(0).tolist()
        answer = p_normal.index(max(p_normal))
        s = {"normal": max(p_normal), "adversarial": max(p_adversarial), "agreement": p_adversarial[answer]}[score]
        chosen.append(z_normal if s >= threshold else z_adversarial)
    return torch.stack(chosen)


@pytest.mark.parametrize("score", SCORES)
def test_auto_takes_the_path_that_the_confidence_chooses(score: Any, trained: Any) -> None:
    network, x = copy.deepcopy(trained.network), trained.test.images.float() / 255
    network.switch = Switch(score, 0.6)
    normal, adversarial = (network(x, mode=mode) for mode in PATHS)
    expected = by_hand(score, 0.6, normal, adversarial)
    assert torch.equal(network(x, mode="auto"), expected)
    assert not torch.equal(expected, normal) and not torch.equal(expected, adversarial)
    with open_paths(network, PATHS, network.switch) as paths:
        assert paths.modes == ("normal", "adversarial", "auto")
        torch.testing.assert_close(paths.logits(x)["auto"], expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(paths.classifier("auto")(x), paths.logits(x)["auto"])


def test_a_confidence_equal_to_the_threshold_takes_the_normal_path() -> None:
    normal, adversarial = torch.zeros(1, 2), torch.zeros(1, 2) + torch.tensor([5.0, 5.0])
    assert torch.equal(Switch("normal", 0.5).logits(normal, adversarial), normal)
    assert torch.equal(Switch("normal", 0.5 + 1e-9).logits(normal, adversarial), adversarial)


@pytest.mark.parametrize("score", SCORES)
def test_the_excess_is_the_log_odds_over_the_threshold(score: Any, generator: torch.Generator) -> None:
    normal, adversarial = (3 * torch.randn(50, 4, generator=generator) for _ in range(2))
    switch = Switch(score, 0.7)
    s, excess = switch.confidence(normal, adversarial).double(), switch.excess(normal, adversarial).double()
    expected = torch.log(s / (1 - s)) - torch.log(torch.tensor(0.7 / 0.3))
    torch.testing.assert_close(excess, expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(excess > 0, switch.is_normal(s)) and 0 < (excess > 0).sum() < 50


@pytest.mark.parametrize(("threshold", "excess"), [(0.0, torch.inf), (1.0, -torch.inf), (1.01, -torch.inf)])
def test_the_excess_of_a_switch_that_never_or_always_switches(threshold: float, excess: float) -> None:
    z = torch.tensor([[1.0, 2.0, 3.0]])
    assert Switch("normal", threshold).excess(z, z).item() == excess


def cost(normal: Tensor, adversarial: Tensor, confidence: Tensor, threshold: float) -> int:
    """How many images fewer are right than on the normal path."""
    return sum(
        int(n) - int(n if s >= threshold else a)
        for n, a, s in zip(normal.tolist(), adversarial.tolist(), confidence.double().tolist(), strict=True)
    )


def largest_by_brute_force(normal: Tensor, adversarial: Tensor, confidence: Tensor, clean_loss: float) -> float:
    values = sorted(set(confidence.double().tolist()))
    candidates = [0.0, *((a + b) / 2 for a, b in pairwise(values)), 1.01]
    return max(t for t in candidates if cost(normal, adversarial, confidence, t) <= clean_loss * len(normal) + 1e-9)


@pytest.mark.parametrize("levels", [3, 8, 10**6])
def test_the_largest_threshold_is_that_of_brute_force(levels: int, generator: torch.Generator) -> None:
    """With few levels of confidence most of them are shared by several images."""
    found = []
    for _ in range(150):
        n = int(torch.randint(1, 30, (1,), generator=generator))
        normal, adversarial = (torch.rand(n, generator=generator) < p for p in (0.8, 0.5))
        confidence = torch.randint(levels, (n,), generator=generator) / levels
        for clean_loss in (0.0, 0.05, 0.1, 0.29, 1.0):
            threshold = largest_threshold(normal, adversarial, confidence, clean_loss)
            assert threshold == largest_by_brute_force(normal, adversarial, confidence, clean_loss)
            found.append(threshold)
    assert found.count(0.0) > 20 and found.count(1.01) > 20 and sum(0 < t < 1 for t in found) > 20


def test_29_percent_of_100_images_are_29_images() -> None:
    """0.29 * 100 is a little less than 29 in floating point."""
    normal, confidence = torch.ones(100, dtype=torch.bool), torch.arange(100) / 100
    threshold = largest_threshold(normal, ~normal, confidence, 0.29)
    assert (confidence.double() < threshold).sum() == 29


def test_a_threshold_between_neighbouring_float32_confidences() -> None:
    """Their mean in float32 is 0.5 itself, which would leave the first image on the normal path."""
    low = torch.tensor(0.5)
    high = torch.nextafter(low, torch.tensor(1.0))
    adversarial = torch.tensor([True, False])
    threshold = largest_threshold(torch.ones_like(adversarial), adversarial, torch.stack([low, high]), 0.0)
    assert float(low) < threshold < float(high)
    assert Switch("normal", threshold).is_normal(torch.stack([low, high])).tolist() == [False, True]


@pytest.mark.parametrize("levels", [2, 5, 10**6])
def test_auc_counts_pairs(levels: int, generator: torch.Generator) -> None:
    for _ in range(30):
        clean, attacked = (torch.randint(levels, (int(n),), generator=generator) / levels for n in (7, 11))
        pairs = [(a < c) + 0.5 * (a == c) for c in clean.tolist() for a in attacked.tolist()]
        assert auc(clean, attacked) == pytest.approx(sum(pairs) / 77)


@pytest.mark.parametrize(("attacked", "value"), [([0.1, 0.2], 1.0), ([0.9], 0.0), ([0.5], 0.5)])
def test_auc_of_what_is_told_apart_or_not(attacked: list[float], value: float) -> None:
    assert auc(torch.tensor([0.5, 0.5]), torch.tensor(attacked)) == value


def test_detection_counts_those_below_the_threshold() -> None:
    found = detection(Switch("normal", 0.5), torch.tensor([0.2, 0.5, 0.6, 0.9]), torch.tensor([0.1, 0.3, 0.4, 0.49, 0.7]))
    assert found["detection"] == pytest.approx(4 / 5) and found["false_alarms"] == pytest.approx(1 / 4)


def test_the_detection_curve_goes_from_none_to_all(generator: torch.Generator) -> None:
    clean, attacked = torch.rand(60, generator=generator), torch.rand(40, generator=generator) ** 2
    found = detection(Switch("normal", 0.5), clean, attacked)
    curve = torch.tensor(found["curve"])
    assert curve[0].tolist() == [0, 0] and curve[-1].tolist() == [1, 1]
    assert (curve.diff(dim=0) >= 0).all()
    area = torch.trapezoid(curve[:, 1], curve[:, 0])
    assert float(area) == pytest.approx(found["auc"], abs=0.02) and found["auc"] > 0.55


@pytest.mark.parametrize("score", SCORES)
def test_calibration_costs_no_more_than_it_may(score: Any, trained: Any, believed: ImageSet) -> None:
    """The normal path is right on all of these images; the other one is not."""
    thresholds = []
    for clean_loss in (0.0, 0.05, 0.1, 1.0):
        with open_paths(trained.network, PATHS) as paths:
            switch, about = calibrate(paths, believed, score, clean_loss, CPU)
        network = copy.deepcopy(trained.network)
        network.switch = switch
        logits = network(believed.images.float() / 255, mode="auto")
        right = float((logits.argmax(dim=1) == believed.labels).double().mean())
        held_out = about["held_out"]
        assert held_out["n"] == 60 and held_out["normal"] == 1
        assert held_out["auto"] == pytest.approx(right) and right >= 1 - clean_loss - 1e-9
        assert (about["score"], about["threshold"], about["clean_loss"]) == (score, switch.threshold, clean_loss)
        assert 0 <= held_out["to_adversarial_path"] <= 1
        thresholds.append(switch.threshold)
    assert thresholds == sorted(thresholds) and thresholds[0] < 1 and thresholds[-1] > 1


def test_the_card_tells_how_well_test_images_are_told_apart(trained: Any, full_card: dict[str, Any]) -> None:
    about = full_card["switch"]
    network = copy.deepcopy(trained.network)
    x = trained.test.images.float() / 255
    confidence = Switch(about["score"], 0.0).confidence(*(network(x, mode=mode) for mode in PATHS)).double()
    assert 0 < about["threshold"] < 1
    assert [(found["made_on"], found["attack"]) for found in about["made_on"]] == [
        (row["made_on"], row["attack"]) for row in full_card["crafted"]
    ]
    for found in about["made_on"]:
        assert found["false_alarms"] == pytest.approx(float((confidence < about["threshold"]).double().mean()))
        assert found["auc"] > 0.5
    assert any(found["detection"] > found["false_alarms"] for found in about["made_on"])


def test_calibrate_network_gives_it_the_switch_and_keeps_it(
    trained: Any, believed: ImageSet, tmp_path: Any, tiny_network: Callable[..., Any]
) -> None:
    network = copy.deepcopy(trained.network)
    about = calibrate_network(network, believed, tmp_path, CalibrateConfig(clean_loss=0.05))
    assert about is not None and read_switch(tmp_path) == network.switch == Switch("agreement", about["threshold"])
    assert network(believed.images[:2].float() / 255, mode="auto").shape == (2, 5)
    assert calibrate_network(tiny_network(kind="single"), believed, tmp_path / "none") is None
    assert not (tmp_path / "none").exists()
