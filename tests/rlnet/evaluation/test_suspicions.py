"""Every warning is raised by a network or by outcomes that deserve it, by nothing ordinary, and explained in the docs."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlnet.attacks import ROBUST, WRONG, Pixels
from rlnet.data import ImageSet
from rlnet.evaluation import suspicions
from rlnet.evaluation.config import FullConfig
from rlnet.evaluation.full import evaluate
from rlnet.evaluation.outcomes import Outcomes

DOCS = Path(__file__).parents[3] / "docs" / "evaluation.md"
NAMES = {
    "random",
    "batch-statistics",
    "probabilities",
    "zero-gradients",
    "square-beats-gradients",
    "stronger-is-weaker",
    "rises-with-eps",
    "never-falls-to-zero",
    "transfer-beats-own",
    "label-leak",
}


def test_each_warning_is_explained() -> None:
    table = DOCS.read_text().partition("## The warnings")[2]
    rows = re.findall(r"^\| `([a-z-]+)` \|(.+)\|(.+)\|$", table, flags=re.MULTILINE)
    assert len(rows) == len(NAMES) and {name for name, *_ in rows} == NAMES
    assert all(len(seen) > 20 and len(meaning) > 15 for _, seen, meaning in rows)


def test_no_other_warning_is_raised() -> None:
    source = Path(suspicions.__file__).read_text()
    assert set(re.findall(r'_suspicion\(\s*"([a-z-]+)"', source)) == NAMES


def test_an_ordinary_network_raises_none(full_card: dict[str, Any]) -> None:
    assert full_card["warnings"] == []


class Made(nn.Module):
    """A linear classifier of the mean colours of 8x8 images, after and before something suspicious."""

    def __init__(self, before: Callable = nn.Identity(), after: Callable = nn.Identity()):  # noqa: B008
        super().__init__()
        self.linear = nn.Linear(48, 5)
        generator = torch.Generator().manual_seed(0)
        nn.init.normal_(self.linear.weight, generator=generator)
        nn.init.zeros_(self.linear.bias)
        self.before, self.after = before, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.linear(F.avg_pool2d(self.before(x) - 0.5, 2).flatten(1)))


def own_answers(network: nn.Module, count: int = 60) -> ImageSet:
    """Random images, on all of which the network is right."""
    images = torch.randint(256, (count, 3, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    with torch.no_grad():
        return ImageSet(images, network.eval()(images.float() / 255).argmax(dim=1))


def warnings_of(network: nn.Module, config: FullConfig) -> set[str]:
    return {warning["name"] for warning in evaluate(network, own_answers(network), config)["warnings"]}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (None, {}),
        ("random", {"before": lambda x: F.dropout(x, 0.2, training=True)}),
        ("batch-statistics", {"before": nn.BatchNorm2d(3, track_running_stats=False)}),
        ("probabilities", {"after": nn.Softmax(dim=1)}),
        ("zero-gradients", {"before": lambda x: (8 * x).round() / 8}),
    ],
)
def test_what_a_network_shows(name: str | None, parts: dict[str, Callable], quick: Callable[..., FullConfig]) -> None:
    assert warnings_of(Made(**parts), quick(attacks=())) == ({name} if name else set())


def test_a_warning_names_the_mode_and_figures() -> None:
    network = Made(before=lambda x: x.detach())
    images = own_answers(network, 8)
    (found,) = suspicions.of_classifier("auto", network, images.images.float() / 255, images.labels)
    assert found == {"name": "zero-gradients", "text": "auto: the gradient is exactly zero for 100% of 8 images"}


def test_masked_gradients_are_found_by_what_attacks_do(quick: Callable[..., FullConfig]) -> None:
    """Pixels of eight levels: every gradient is 0, but squares show the way."""
    config = quick(attacks=("pgd-2", "square-50"), curve=("128/255",), eps="32/255")
    masked = Made(before=lambda x: (8 * x).round() / 8)
    assert warnings_of(masked, config) == {"zero-gradients", "square-beats-gradients", "never-falls-to-zero"}
    assert warnings_of(Made(), config) == set()


def fooled(right: int, clean: int = 90, by: int = 0, n: int = 100) -> dict[str, Tensor]:
    """Of n images the first `right` withstand, those up to `clean` are fooled by a stage, and the rest is wrong anyway."""
    found = torch.full((n,), WRONG)
    found[:clean] = by
    found[:right] = ROBUST
    return {"fooled_by": found}


def right(count: int, n: int = 100) -> Tensor:
    return (torch.arange(n) < count).long()


def of(
    attacked: dict[str, dict[str, Tensor]] | None = None,
    crafted: dict[tuple[str, str], dict[str, Tensor]] | None = None,
    curve: dict[str, dict[str, Tensor]] | None = None,
) -> set[str]:
    """The warnings of outcomes of mode "normal", of which 90 of 100 clean images are right."""
    attacked, curve = attacked or {}, curve or {}
    outcomes = Outcomes(
        clean={"normal": right(90)},
        corrupted={},
        attacked={("normal", name): found for name, found in attacked.items()},
        curve={("normal", "pgd-20", Pixels(eps)): found for eps, found in curve.items()},
        crafted=crafted or {},
        adaptive=None,
        stages={name: tuple(name.split("+")) for name in attacked},
    )
    return {warning["name"] for warning in suspicions.of_outcomes(outcomes)}


def test_ordinary_outcomes_raise_none() -> None:
    attacked = {name: fooled(count) for name, count in {"fgsm": 45, "pgd-7": 40, "pgd-20": 38, "apgd-ce": 36}.items()}
    attacked |= {"autoattack": fooled(34), "pgd-20+square-9": fooled(38), "square-9": fooled(60)}
    crafted = {("adversarial", "fgsm"): {"normal": right(70)}, ("normal", "fgsm"): {"normal": right(45)}}
    curve = {"2/255": fooled(80), "8/255": fooled(40), "32/255": fooled(5), "128/255": fooled(0)}
    assert of(attacked, crafted, curve) == set()


@pytest.mark.parametrize(
    ("weak", "strong"),
    [("fgsm", "pgd-7"), ("fgsm", "pgd-100"), ("pgd-20", "apgd-ce"), ("apgd-dlr", "autoattack"), ("apgd-dlr", "apgd-t")],
)
def test_a_stronger_attack_that_finds_less(weak: str, strong: str) -> None:
    assert of({weak: fooled(30), strong: fooled(40)}) == {"stronger-is-weaker"}
    assert of({weak: fooled(30), strong: fooled(33)}) == set()
    assert of({strong: fooled(30), weak: fooled(40)}) == set()


def test_attacks_of_which_none_is_the_stronger_may_differ() -> None:
    assert of({"pgd-20": fooled(30), "apgd-dlr": fooled(60), "cw": fooled(10)}) == set()


def test_square_after_gradients_in_a_chain() -> None:
    assert of({"pgd-20+square": fooled(30, by=1)}) == {"square-beats-gradients"}
    assert of({"pgd-20+square": fooled(89, by=1)}) == set()
    assert of({"pgd-20+square": fooled(30, by=0)}) == set()


def test_square_beside_gradients() -> None:
    assert of({"square": fooled(30), "pgd-20": fooled(40)}) == {"square-beats-gradients"}
    assert of({"square": fooled(30), "pgd-20": fooled(30)}) == set()
    assert of({"square": fooled(30)}) == set()
    assert of({"square": fooled(30), "square-9": fooled(50)}) == set()


def test_square_in_a_chain_finds_what_another_gradient_attack_finds_too() -> None:
    assert of({"fgsm+square": fooled(30, by=1), "pgd-20": fooled(25)}) == set()


@pytest.mark.parametrize("origin", ["adversarial", "source"])
def test_images_made_elsewhere_that_fool_more_often(origin: str) -> None:
    own = {"fgsm": fooled(40)}
    assert of(own, {(origin, "fgsm"): {"normal": right(25)}}) == {"transfer-beats-own"}
    assert of(own, {(origin, "fgsm"): {"normal": right(37)}}) == set()
    assert of(own, {(origin, "pgd-20"): {"normal": right(25)}}) == set()


def test_more_withstand_a_larger_eps() -> None:
    assert of(curve={"2/255": fooled(30), "8/255": fooled(50), "32/255": fooled(10)}) == {"rises-with-eps"}
    assert of(curve={"2/255": fooled(50), "8/255": fooled(52)}) == set()


def test_many_withstand_what_can_make_any_image() -> None:
    assert of(curve={"8/255": fooled(40), "128/255": fooled(10)}) == {"never-falls-to-zero"}
    assert of(curve={"8/255": fooled(40), "64/255": fooled(10)}) == set()
    assert of(curve={"128/255": fooled(1)}) == set()


def test_attacked_images_that_are_recognised_better() -> None:
    own = {"fgsm": fooled(90)}
    assert of(own, {("normal", "fgsm"): {"normal": right(100)}}) == {"label-leak"}
    assert of(own, {("normal", "fgsm"): {"normal": right(93)}}) == set()


@pytest.mark.parametrize(
    ("only_more", "only_less", "beyond"),
    [
        (4, 0, False),
        (5, 0, True),
        (12, 4, False),
        (13, 4, True),
        (0, 9, False),
        (0, 0, False),
        (100, 80, False),
        (130, 80, True),
    ],
)
def test_beyond_noise_by_hand(only_more: int, only_less: int, beyond: bool) -> None:
    """d > 2 sqrt(n): 4 = 2 sqrt 4, 5 > 2 sqrt 5, 8 = 2 sqrt 16, 9 > 2 sqrt 17; images on which both agree don't count."""
    more = torch.tensor([True] * only_more + [False] * only_less + [True] * 50 + [False] * 50)
    less = torch.tensor([False] * only_more + [True] * only_less + [True] * 50 + [False] * 50)
    assert suspicions.is_beyond_noise(more, less) is beyond
