"""Relations within a batch: triangles by hand, loops as a second way, what they do not see, and where gradients go."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from distill import pkt, rkd_angle, rkd_distance

Loss = Callable[[Tensor, Tensor], Tensor]
LOSSES = [rkd_distance, rkd_angle, pkt]
B = 5


@pytest.fixture
def features(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Student's of 3 and teacher's of 7 dimensions."""
    return torch.randn(B, 3, generator=generator), torch.randn(B, 7, generator=generator)


def huber(difference: float) -> float:
    return difference**2 / 2 if abs(difference) <= 1 else abs(difference) - 0.5


def test_distances_of_two_triangles() -> None:
    """3-4-5 (mean 4) against three equal sides: differences 1/4, 0, 1/4, and their mean over three pairs."""
    student = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    teacher = torch.eye(3)
    assert rkd_distance(student, teacher).item() == pytest.approx(2 * 0.25**2 / 2 / 3)


def test_angles_of_two_triangles() -> None:
    """cos 90, 53.1 and 36.9 degrees against 60 degrees three times."""
    student = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    expected = (0.5**2 + 0.1**2 + 0.3**2) / 2 / 3
    assert rkd_angle(student, torch.eye(3)).item() == pytest.approx(expected, rel=1e-5)


def test_similarities_by_hand() -> None:
    """Right angles and one equal pair: K = 1/2 and 1. Of (a, a, b): a sees (2/3, 1/3), b sees (1/2, 1/2)."""
    student = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    p = torch.tensor([1 / 2, 1 / 2])
    q = torch.tensor([2 / 3, 1 / 3])
    expected = 2 * (p * (p / q).log()).sum() / 3
    torch.testing.assert_close(pkt(student, torch.eye(3)), expected)


def test_pair_by_pair(features: tuple[Tensor, Tensor]) -> None:
    relations = []
    for x in features:
        distances = [(x[i] - x[j]).norm().item() for i in range(B) for j in range(i)]
        relations.append([d / (sum(distances) / len(distances)) for d in distances])
    expected = sum(huber(s - t) for s, t in zip(*relations, strict=True)) / (B * (B - 1) / 2)
    assert rkd_distance(*features).item() == pytest.approx(expected, rel=1e-5)


def test_triple_by_triple(features: tuple[Tensor, Tensor]) -> None:
    triples = [(i, j, k) for i in range(B) for j in range(B) for k in range(B) if len({i, j, k}) == 3]
    total = 0.0
    for i, j, k in triples:
        s, t = (torch.cosine_similarity(x[i] - x[j], x[k] - x[j], dim=0).item() for x in features)
        total += huber(s - t)
    assert rkd_angle(*features).item() == pytest.approx(total / len(triples), rel=1e-5)


def test_neighbour_by_neighbour(features: tuple[Tensor, Tensor]) -> None:
    total = torch.zeros((), dtype=torch.float64)
    for i in range(B):
        others = [j for j in range(B) if j != i]
        q, p = (
            torch.stack([(torch.cosine_similarity(x[i].double(), x[j].double(), dim=0) + 1) / 2 for j in others])
            for x in features
        )
        p, q = p / p.sum(), q / q.sum()
        total += (p * (p / q).log()).sum() / B
    assert pkt(*features).item() == pytest.approx(total.item(), rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_relations_themselves_give_zero(loss: Loss, features: tuple[Tensor, Tensor], generator: torch.Generator) -> None:
    """Turned and scaled, the features have the same relations, also in more dimensions; the gradient there is 0 and finite."""
    turn, _ = torch.linalg.qr(torch.randn(7, 7, generator=generator))
    student = (3 * features[1] @ turn).requires_grad_()
    value = loss(student, features[1])
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert student.grad.abs().max() < 1e-4


@pytest.mark.parametrize("loss", [rkd_distance, rkd_angle])
def test_rkd_does_not_see_where_the_features_are(loss: Loss, features: tuple[Tensor, Tensor]) -> None:
    student, teacher = features
    torch.testing.assert_close(loss(student + 2, teacher - 1), loss(student, teacher), rtol=1e-4, atol=1e-6)


def test_pkt_does_not_see_how_long_they_are(features: tuple[Tensor, Tensor]) -> None:
    student, teacher = features
    lengths = torch.tensor([0.01, 1.0, 300.0, 2.0, 5.0])[:, None]
    torch.testing.assert_close(pkt(student * lengths, teacher), pkt(student, teacher), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_gradient_reaches_the_teacher(loss: Loss, features: tuple[Tensor, Tensor]) -> None:
    student, teacher = (x.requires_grad_() for x in features)
    before = loss(student, teacher)
    before.backward()
    assert teacher.grad is None and student.grad.abs().max() > 0
    assert loss(student - 0.1 * student.grad / student.grad.norm(), teacher) < before


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("student", [torch.zeros(4, 2), torch.tensor([[1.0, 0], [1, 0], [-1, 0], [0, 1]])])
def test_equal_and_opposite_features_give_finite_losses_and_gradients(loss: Loss, student: Tensor) -> None:
    student = student.clone().requires_grad_()
    value = loss(student, torch.eye(4))
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_changes_nothing(loss: Loss, features: tuple[Tensor, Tensor]) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(*features)
    assert torch.equal(found, loss(*features))


@pytest.mark.parametrize(("loss", "images"), [(rkd_distance, 2), (rkd_angle, 3), (pkt, 2)])
def test_too_few_images_have_no_relations(loss: Loss, images: int) -> None:
    features = torch.eye(4)
    assert loss(features[:images], features[:images]).isfinite()
    with pytest.raises(ValueError, match=f"relations need a batch of at least {images} images, not {images - 1}"):
        loss(features[: images - 1], features[: images - 1])
