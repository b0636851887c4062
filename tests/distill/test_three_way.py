"""The three-way losses against the paper's equations, written out from probabilities."""

import pytest
import torch
from torch import Tensor

from distill import ce_by_view, kl_by_view, pram_by_view

B, K = 4, 3
VIEWS = ("clean", "augmented", "adversarial")


@pytest.fixture
def student(generator: torch.Generator) -> dict[str, Tensor]:
    return {view: torch.randn(B, K, generator=generator) for view in VIEWS}


def mean(by_view: dict[str, Tensor]) -> Tensor:
    return sum(by_view.values()) / len(by_view)


def cross_entropy(logits: Tensor, labels: list[int]) -> float:
    """CE(z, y) = -1/B sum_b log softmax(z_b)[y_b]."""
    probabilities = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    return sum(-probabilities[b, y].log().item() for b, y in enumerate(labels)) / len(labels)


def test_ce_is_equations_1_and_2(student: dict[str, Tensor]) -> None:
    labels = [2, 0, 1, 1]
    found = ce_by_view(student, dict.fromkeys(VIEWS, torch.tensor(labels)))
    assert list(found) == list(VIEWS)
    ce = [cross_entropy(student[view], labels) for view in VIEWS]
    assert mean(found).item() == pytest.approx((ce[0] + ce[1] + ce[2]) / 3, rel=1e-5)


def test_each_view_has_its_own_labels(student: dict[str, Tensor]) -> None:
    """As when the adversarial view shows other images (the public code)."""
    labels = {"clean": [0, 1, 2, 0], "augmented": [0, 1, 2, 0], "adversarial": [1, 1, 0, 2]}
    found = ce_by_view(student, {view: torch.tensor(y) for view, y in labels.items()})
    for view in VIEWS:
        assert found[view].item() == pytest.approx(cross_entropy(student[view], labels[view]), rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_kl_is_equation_3(student: dict[str, Tensor], generator: torch.Generator, temperature: float) -> None:
    """KL(student of each view, teacher of the clean images), the teacher's probabilities in front."""
    teacher = torch.randn(B, K, generator=generator)
    p = (teacher / temperature).softmax(dim=1)
    kl = []
    for view in VIEWS:
        q = (student[view] / temperature).softmax(dim=1)
        kl.append(temperature**2 * (p * (p / q).log()).sum().item() / B)
    found = kl_by_view(student, dict.fromkeys(VIEWS, teacher), temperature)
    assert list(found) == list(VIEWS)
    assert mean(found).item() == pytest.approx((kl[0] + kl[1] + kl[2]) / 3, rel=1e-4)


def test_pram_is_equations_4_and_5(generator: torch.Generator) -> None:
    """0.5 (PRAM(x) + PRAM(x_aug)), each the sum over the sites, each the mean over the images."""
    shapes = {"relu": (2, 4, 4), "layer1.0.relu1": (3, 2, 2)}
    networks = []
    for _ in ("student", "teacher"):
        maps = {view: {site: torch.randn(B, *s, generator=generator) for site, s in shapes.items()} for view in VIEWS[:2]}
        networks.append(maps)
    student, teacher = networks
    by_hand = {view: 0.0 for view in VIEWS[:2]}
    for view in by_hand:
        for site in shapes:
            for s, t in zip(student[view][site], teacher[view][site], strict=True):
                by_hand[view] += (s / s.square().sum().sqrt() - t / t.square().sum().sqrt()).square().sum().sqrt().item() / B
    found = mean(pram_by_view(student, teacher, "printed")).item()
    assert found == pytest.approx(0.5 * (by_hand["clean"] + by_hand["augmented"]), rel=1e-5)


def test_one_view_is_plain_linearization(student: dict[str, Tensor]) -> None:
    clean = {"clean": student["clean"]}
    labels = [2, 0, 1, 1]
    assert mean(ce_by_view(clean, {"clean": torch.tensor(labels)})).item() == pytest.approx(
        cross_entropy(student["clean"], labels), rel=1e-5
    )
    assert list(kl_by_view(clean, clean, 4)) == ["clean"]
