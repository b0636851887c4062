"""An evaluation's numbers beside simple computations of the same: both modes, foreign modules, crafted images, curves."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlnet.accuracy import random_part
from rlnet.attacks import AttackConfig, Pixels
from rlnet.data import ImageSet
from rlnet.data.corruptions import CORRUPTIONS, corrupt
from rlnet.data.corruptions.metrics import BASELINE_ERRORS
from rlnet.evaluation.config import FullConfig
from rlnet.evaluation.full import evaluate
from rlnet.models import ModeNetwork, Switch

Settings = Callable[..., FullConfig]
EPS = 8 / 255
MODES = ("normal", "adversarial", "auto")


def pixels(images: ImageSet) -> Tensor:
    return images.images.float() / 255


def accuracy(logits: Tensor, labels: Tensor) -> float:
    return float((logits.argmax(dim=1) == labels).double().mean())


def fgsm(network: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor, eps: float = EPS) -> Tensor:
    x = x.clone().requires_grad_()
    F.cross_entropy(network(x), labels, reduction="sum").backward()
    return (x + eps * x.grad.sign()).clamp(0, 1).detach()


def foreign(seed: int = 0) -> nn.Module:
    """A module of other code, in training mode, with a batch norm that would learn from whatever it sees."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.BatchNorm2d(3), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 5))
    network[0].running_mean.fill_(0.5)
    network[0].running_var.fill_(0.01)
    return network.train()


@pytest.fixture
def with_switch(trained: Any, full_card: dict[str, Any]) -> ModeNetwork:
    """The trained network with the switch that the full evaluation calibrated."""
    network = copy.deepcopy(trained.network)
    network.switch = Switch(full_card["switch"]["score"], full_card["switch"]["threshold"])
    return network


@pytest.mark.parametrize("mode", MODES)
def test_clean_accuracy_is_that_of_the_network_itself(
    mode: str, trained: Any, with_switch: ModeNetwork, full_card: dict[str, Any]
) -> None:
    expected = accuracy(with_switch(pixels(trained.test), mode=mode), trained.test.labels)
    assert full_card["modes"][mode]["clean"]["accuracy"] == pytest.approx(expected)
    assert full_card["modes"][mode]["clean"]["n"] == 80


@pytest.mark.parametrize("mode", MODES)
def test_corrupted_accuracies_are_those_of_corrupted_images(
    mode: str, trained: Any, with_switch: ModeNetwork, full_card: dict[str, Any]
) -> None:
    """Contrast draws no random numbers."""
    found = full_card["modes"][mode]["corruptions"]
    assert list(found) == ["fog", "contrast", "spatter"] and full_card["corruptions"] == "made here"
    for severity in range(1, 6):
        x = corrupt(pixels(trained.test), "contrast", severity, generator=torch.Generator())
        assert found["contrast"][severity - 1] == pytest.approx(accuracy(with_switch(x, mode=mode), trained.test.labels))


@pytest.mark.parametrize("mode", MODES)
def test_npa_is_the_mean_of_means_without_extra_corruptions(mode: str, full_card: dict[str, Any]) -> None:
    found = full_card["modes"][mode]
    expected = fmean(fmean(found["corruptions"][name]) for name in ("fog", "contrast"))
    assert found["corrupted"] == pytest.approx(expected)
    assert found["mce"] == pytest.approx(1 - expected)
    assert fmean(found["corruptions"]["spatter"]) != pytest.approx(expected)


def test_mce_of_tiny_imagenet_is_relative_to_the_baseline(trained: Any, quick: Settings) -> None:
    config = quick(attacks=(), corruptions=("benchmark",), limit=20)
    for mode in evaluate(trained.network, trained.test, config, dataset="tiny-imagenet")["modes"].values():
        errors = {name: 1 - fmean(values) for name, values in mode["corruptions"].items()}
        baseline = BASELINE_ERRORS["tiny-imagenet"]
        assert list(errors) == list(CORRUPTIONS)
        assert mode["mce"] == pytest.approx(sum(errors[name] / baseline[name] for name in errors) / 15)
        assert mode["corrupted"] == pytest.approx(1 - sum(errors.values()) / 15)


def test_without_all_fifteen_tiny_imagenet_has_no_mce(trained: Any, quick: Settings) -> None:
    card = evaluate(trained.network, trained.test, quick(attacks=(), corruptions=("fog",), limit=5), dataset="tiny-imagenet")
    assert [mode["mce"] for mode in card["modes"].values()] == [None, None]
    assert card["modes"]["normal"]["corrupted"] is not None


def test_extra_corruptions_alone_give_no_npa(trained: Any, quick: Settings) -> None:
    mode = evaluate(trained.network, trained.test, quick(attacks=(), corruptions=("spatter",), limit=5))["modes"]["normal"]
    assert mode["corrupted"] is None and mode["mce"] is None and len(mode["corruptions"]["spatter"]) == 5


@pytest.mark.parametrize("mode", MODES)
def test_robust_accuracy_counts_images_right_before_and_after(
    mode: str, trained: Any, with_switch: ModeNetwork, full_card: dict[str, Any]
) -> None:
    x, labels = pixels(trained.test), trained.test.labels
    x_adv = fgsm(lambda images: with_switch(images, mode=mode), x, labels)
    right = [with_switch(images, mode=mode).argmax(dim=1) == labels for images in (x, x_adv)]
    found = full_card["modes"][mode]["adversarial"]["fgsm"]
    assert found["accuracy"] == pytest.approx(float((right[0] & right[1]).double().mean()))
    assert found["n"] == 80 and 0 < found["accuracy"] < full_card["modes"][mode]["clean"]["accuracy"]


def test_intervals_are_those_of_wilson(full_card: dict[str, Any]) -> None:
    found = full_card["modes"]["normal"]["adversarial"]["fgsm"]
    p, n, z = found["accuracy"], found["n"], 1.959964
    low, high = found["ci95"]
    for end in (low, high):
        assert (p - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / n, abs=2e-4)
    assert low < p < high


@pytest.mark.parametrize("mode", MODES)
def test_a_chain_has_the_accuracy_after_each_stage(mode: str, full_card: dict[str, Any]) -> None:
    found = full_card["modes"][mode]["adversarial"]
    stages = found["pgd-2+square-20"]["stages"]
    assert list(stages) == ["clean", "pgd-2", "square-20"]
    assert stages["clean"] == full_card["modes"][mode]["clean"]["accuracy"]
    assert stages["pgd-2"] == found["pgd-2"]["accuracy"]
    assert stages["square-20"] == found["pgd-2+square-20"]["accuracy"] <= stages["pgd-2"]


@pytest.mark.parametrize("mode", MODES)
def test_worst_case_is_at_most_the_least_of_all_attacks(mode: str, full_card: dict[str, Any]) -> None:
    found = full_card["modes"][mode]
    others = [value["accuracy"] for value in found["adversarial"].values()]
    others += [row["shown_to"][mode] for row in full_card["crafted"]] + [found.get("adaptive", found["clean"])["accuracy"]]
    assert found["worst_case"]["accuracy"] <= min(others) and found["worst_case"]["n"] == 80
    assert ("adaptive" in found) == (mode == "auto")


def test_adaptive_says_what_went_through_either_path(full_card: dict[str, Any]) -> None:
    adaptive, clean = (full_card["modes"]["auto"][name] for name in ("adaptive", "clean"))
    through = [adaptive["through_normal"], adaptive["through_adversarial"]]
    assert sum(through) - clean["accuracy"] <= adaptive["accuracy"] + 1e-9
    assert adaptive["accuracy"] <= min(through) and max(through) <= clean["accuracy"]


def test_the_curve_is_the_attack_at_each_eps(trained: Any, quick: Settings, full_card: dict[str, Any]) -> None:
    curve = full_card["curve"]
    assert [(row["mode"], row["attack"]) for row in curve] == [("normal", "pgd-20"), ("adversarial", "pgd-20")]
    assert [[point["eps"] for point in row["points"]] for row in curve] == [["4/255", "128/255"]] * 2
    card = evaluate(trained.network, trained.test, quick(attacks=("pgd-20",), eps="4/255"))
    for row in curve:
        alone = card["modes"][row["mode"]]["adversarial"]["pgd-20"]
        assert row["points"][0] == {"eps": "4/255", **{name: alone[name] for name in ("accuracy", "ci95", "n")}}
        assert row["points"][1]["accuracy"] == 0


def test_images_crafted_on_either_path_are_shown_to_all(trained: Any, with_switch: ModeNetwork, quick: Settings) -> None:
    card = evaluate(trained.network, trained.test, quick(attacks=("fgsm",)))
    x, labels = pixels(trained.test), trained.test.labels
    assert [(row["made_on"], row["attack"], row["n"]) for row in card["crafted"]] == [
        ("normal", "fgsm", 80),
        ("adversarial", "fgsm", 80),
    ]
    for row in card["crafted"]:
        x_adv = fgsm(lambda images, mode=row["made_on"]: with_switch(images, mode=mode), x, labels)
        for mode in ("normal", "adversarial"):
            assert row["shown_to"][mode] == pytest.approx(accuracy(with_switch(x_adv, mode=mode), labels))
        assert row["source"] == row["shown_to"][row["made_on"]]


def test_paths_exchange_images_of_every_attack_that_can_make_them(full_card: dict[str, Any]) -> None:
    """Chains cannot."""
    made = [(row["made_on"], row["attack"]) for row in full_card["crafted"]]
    assert made == [(path, attack) for path in ("normal", "adversarial") for attack in ("fgsm", "pgd-2")]


def test_images_crafted_on_another_network(trained: Any, quick: Settings) -> None:
    """With every attack that can; in worst_case they don't count."""
    source = foreign()
    config = quick(attacks=("fgsm", "pgd-2", "square-5"))
    card = evaluate(trained.network, trained.test, config, source=source)
    rows = {row["attack"]: row for row in card["crafted"] if row["made_on"] == "source"}
    x, labels = pixels(trained.test), trained.test.labels
    source.eval()
    x_adv = fgsm(source, x, labels)
    assert list(rows) == ["fgsm", "pgd-2"]
    assert rows["fgsm"]["source"] == pytest.approx(accuracy(source(x_adv), labels))
    for mode in ("normal", "adversarial"):
        assert rows["fgsm"]["shown_to"][mode] == pytest.approx(accuracy(trained.network(x_adv, mode=mode), labels))
    without = evaluate(trained.network, trained.test, config)
    assert [mode["worst_case"] for mode in card["modes"].values()] == [mode["worst_case"] for mode in without["modes"].values()]


def test_limits_choose_the_same_images_each_time(trained: Any, quick: Settings) -> None:
    config = quick(attacks=("fgsm",), corruptions=("contrast",), limit=40, attack_limit=25, corruption_limit=60)
    card = evaluate(trained.network, trained.test, config)
    for mode, found in card["modes"].items():
        assert (found["clean"]["n"], found["adversarial"]["fgsm"]["n"], found["worst_case"]["n"]) == (40, 25, 25)
        part = random_part(trained.test, 40)
        assert found["clean"]["accuracy"] == pytest.approx(accuracy(trained.network(pixels(part), mode=mode), part.labels))
        x = corrupt(pixels(part), "contrast", 4, generator=torch.Generator())
        expected = accuracy(trained.network(x, mode=mode), part.labels)
        assert found["corruptions"]["contrast"][3] == pytest.approx(expected)


@pytest.mark.parametrize("mode", ["normal", "adversarial"])
def test_one_mode_alone_is_as_beside_the_other(mode: str, trained: Any, quick: Settings) -> None:
    both, alone = (evaluate(trained.network, trained.test, quick(mode=modes, curve=("8/255",))) for modes in ("both", mode))
    assert list(alone["modes"]) == [mode] and alone["crafted"] == [] and "switch" not in alone
    assert alone["modes"][mode]["adversarial"] == both["modes"][mode]["adversarial"]
    assert alone["curve"] == [row for row in both["curve"] if row["mode"] == mode]


def test_eps_and_step_come_from_the_training_attack_or_the_settings(trained: Any, quick: Settings) -> None:
    attack = AttackConfig(Pixels("4/255"), Pixels("3/255"))
    card = evaluate(trained.network, trained.test, quick(attacks=("fgsm",), limit=5), attack=attack)
    assert card["attack"] == {"eps": "4/255", "step_fraction": pytest.approx(0.75)}
    card = evaluate(trained.network, trained.test, quick(attacks=("fgsm",), limit=5, eps="2/255"), attack=attack)
    assert card["attack"] == {"eps": "2/255", "step_fraction": pytest.approx(0.75)}


def test_at_eps_0_nothing_is_fooled(trained: Any, quick: Settings) -> None:
    for mode in evaluate(trained.network, trained.test, quick(eps="0", mode="both"))["modes"].values():
        assert {found["accuracy"] for found in mode["adversarial"].values()} == {mode["clean"]["accuracy"]}


def state(network: nn.Module) -> tuple[dict[str, Tensor], list[bool], list[bool]]:
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return tensors, [module.training for module in network.modules()], [p.requires_grad for p in network.parameters()]


@pytest.mark.parametrize("kind", ["ours", "foreign"])
def test_the_network_is_left_as_it_was(kind: str, trained: Any, quick: Settings) -> None:
    network = copy.deepcopy(trained.network).mode("adversarial").train() if kind == "ours" else foreign()
    tensors, training, gradients = state(network)
    config = quick(mode="auto" if kind == "ours" else "both", corruptions=("contrast",), curve=("8/255",), limit=10)
    evaluate(network, trained.test, config, held_out=trained.held_out, source=foreign(1))
    after = state(network)
    assert after[1:] == (training, gradients) and all(training)
    assert all(torch.equal(after[0][name], tensor) for name, tensor in tensors.items())
    assert all(parameter.grad is None for parameter in network.parameters())
    if kind == "ours":
        assert network.chosen_mode == "adversarial" and network.switch is None


def test_the_mode_that_a_network_was_left_in_changes_nothing(trained: Any, quick: Settings) -> None:
    config = quick(attacks=("fgsm",))
    expected = evaluate(trained.network, trained.test, config)
    assert evaluate(copy.deepcopy(trained.network).mode("adversarial").train(), trained.test, config) == expected


def test_a_foreign_module_has_one_path_and_is_evaluated_in_eval_mode(trained: Any, quick: Settings) -> None:
    network = foreign()
    card = evaluate(network, trained.test, quick(attacks=("fgsm", "pgd-2"), corruptions=("contrast",), curve=("8/255",)))
    x, labels = pixels(trained.test), trained.test.labels
    network.eval()
    assert list(card["modes"]) == ["normal"] and card["crafted"] == [] and card["warnings"] == []
    found = card["modes"]["normal"]
    assert found["clean"]["accuracy"] == pytest.approx(accuracy(network(x), labels))
    right = (network(x).argmax(dim=1) == labels) & (network(fgsm(network, x, labels)).argmax(dim=1) == labels)
    assert found["adversarial"]["fgsm"]["accuracy"] == pytest.approx(float(right.double().mean()))
    assert [row["mode"] for row in card["curve"]] == ["normal"]


def test_a_network_with_one_batch_norm_path_has_one_mode(tiny_network: Callable[..., ModeNetwork], quick: Settings) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (10, 1, 8, 8), generator=generator, dtype=torch.uint8)
    card = evaluate(tiny_network(kind="single"), ImageSet(images, torch.arange(10) % 5), quick())
    assert list(card["modes"]) == ["normal"] and card["crafted"] == []


def test_float_images_are_as_good_as_bytes(trained: Any, quick: Settings) -> None:
    config = quick(corruptions=("contrast",))
    floats = ImageSet(pixels(trained.test), trained.test.labels)
    assert evaluate(trained.network, floats, config) == evaluate(trained.network, trained.test, config)


def test_the_card_is_json_and_keeps_settings_and_seed(trained: Any, quick: Settings) -> None:
    card = evaluate(trained.network, trained.test, quick(limit=5, curve=("1/255",), eps="2/255"), seed=3)
    assert json.loads(json.dumps(card)) == card
    assert card["seed"] == 3 and card["settings"]["curve"] == ["1/255"] and card["settings"]["eps"] == "2/255"
    assert card["settings"]["attacks"] == ["fgsm", "pgd-2"] and card["settings"]["limit"] == 5


def test_attacks_that_search_in_bf16_are_judged_in_fp32(trained: Any, quick: Settings) -> None:
    """An image that counts as fooled is so in fp32: nearly the same are left, and what is not attacked is the same."""
    exact, rough = (evaluate(trained.network, trained.test, quick(search=search)) for search in ("fp32", "bf16"))
    assert rough["settings"]["search"] == "bf16"
    for mode in MODES[:2]:
        found = [card["modes"][mode] for card in (exact, rough)]
        assert found[0]["clean"] == found[1]["clean"]
        for name in ("fgsm", "pgd-2"):
            robust = [body["adversarial"][name]["accuracy"] for body in found]
            assert robust[0] < found[0]["clean"]["accuracy"] and robust[1] == pytest.approx(robust[0], abs=3 / 80)


def test_a_search_in_bf16_is_another_result(trained: Any, quick: Settings, tmp_path: Path, measured: list[str]) -> None:
    """Nothing of a search in fp32 is taken for it, but what is not attacked."""
    evaluate(trained.network, trained.test, quick(), folder=tmp_path)
    n = len(measured)
    evaluate(trained.network, trained.test, quick(search="bf16"), folder=tmp_path)
    assert len(measured) == n + 4  # two attacks on two modes; not the clean images, nor those crafted on one path for the other
