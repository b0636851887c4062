"""Attention of a student's layers against its tutors', by norm and by KL: hand arithmetic, a plain second way, invariants."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from distill import attention_loss, attention_map, layerwise_kl

Maps = list[Tensor]
Loss = Callable[[Maps, Maps, Tensor, tuple[int, int]], Tensor]
LOSSES = [attention_loss, layerwise_kl]
B, S, T, SIZE = 3, 2, 3, (5, 4)


@pytest.fixture
def student(generator: torch.Generator) -> Maps:
    """S layers of other channels and sizes than the teacher's."""
    return [torch.randn(B, 4, 8, 8, generator=generator), torch.randn(B, 6, 3, 2, generator=generator)]


@pytest.fixture
def teacher(generator: torch.Generator) -> Maps:
    shapes = [(5, 8, 8), (7, 4, 4), (3, 2, 6)]
    return [torch.randn(B, *shape, generator=generator) for shape in shapes]


@pytest.fixture
def tutors(generator: torch.Generator) -> Tensor:
    return torch.randn(S, T, generator=generator).softmax(dim=1)


def test_attention_map_by_hand() -> None:
    """Two channels: 1 + 9 = 10 and 4 + 0 = 4."""
    a = torch.tensor([[[1.0, -2.0]], [[3.0, 0.0]]])[None]
    assert attention_map(a).tolist() == [[[10, 4]]]


def test_attention_loss_by_hand() -> None:
    """F = (9, 0) against (16, 0) and (0, 1): distances 0 and sqrt 2, tutors 1/4 and 3/4, one layer against two."""
    student = [torch.tensor([3.0, 0.0]).view(1, 1, 1, 2)]
    teacher = [torch.tensor([4.0, 0.0]).view(1, 1, 1, 2), torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)]
    found = attention_loss(student, teacher, torch.tensor([[0.25, 0.75]]), (1, 2))
    assert found.item() == pytest.approx(0.75 * 2**0.5 / 2)


def test_layerwise_kl_by_hand() -> None:
    """F = (1, 3) / 4 against (1, 1) / 2: 1/2 ln 2 + 1/2 ln 2/3; the other direction would be 0.131, not 0.144."""
    student = [torch.tensor([1.0, 3**0.5]).view(1, 1, 1, 2)]
    found = layerwise_kl(student, [torch.ones(1, 1, 1, 2)], torch.ones(1, 1), (1, 2))
    torch.testing.assert_close(found, torch.tensor(4 / 3).log() / 2)


@pytest.mark.parametrize("loss", LOSSES)
def test_pair_by_pair_and_image_by_image(loss: Loss, student: Maps, teacher: Maps, tutors: Tensor) -> None:
    total = 0.0
    for i, a in enumerate(student):
        for j, b in enumerate(teacher):
            for image in range(B):
                f, g = (
                    F.interpolate(m[image].square().sum(0)[None, None], SIZE, mode="bilinear").flatten().double()
                    for m in (a, b)
                )
                if loss is attention_loss:
                    distance = (f / f.square().sum().sqrt() - g / g.square().sum().sqrt()).square().sum().sqrt()
                else:
                    p, q = g / g.sum(), f / f.sum()
                    distance = (p * (p / q).log()).sum()
                total += tutors[i, j].item() * distance.item() / (S * T * B)
    assert loss(student, teacher, tutors, SIZE).item() == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_one_hot_tutors_are_pairs(loss: Loss, student: Maps, teacher: Maps) -> None:
    """Layer 0 learns from tutor 2 only, layer 1 from tutor 1 only (the training phase)."""
    one_hot = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    alone = torch.ones(1, 1)
    pairs = loss(student[:1], teacher[2:], alone, SIZE) + loss(student[1:], teacher[1:2], alone, SIZE)
    torch.testing.assert_close(loss(student, teacher, one_hot, SIZE), pairs / (S * T))


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_layers_give_zero_and_a_finite_gradient(loss: Loss, teacher: Maps) -> None:
    """The norm has no derivative there; a student that looks where its tutors do must not get NaN."""
    student = [a.clone().requires_grad_() for a in teacher]
    value = loss(student, teacher, torch.eye(T), SIZE)
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6)
    assert all(a.grad.abs().max() < 1e-5 for a in student)


@pytest.mark.parametrize("loss", LOSSES)
def test_neither_scale_nor_sign_nor_order_of_channels_matters(loss: Loss, student: Maps, teacher: Maps, tutors: Tensor) -> None:
    """The scale of either network, nor that of a single image."""
    scales = torch.tensor([0.01, 1.0, 300.0]).view(B, 1, 1, 1)
    changed = loss([-a.flip(1) * scales for a in student], [5 * a for a in teacher], tutors, SIZE)
    torch.testing.assert_close(changed, loss(student, teacher, tutors, SIZE))


def test_attention_loss_reaches_its_greatest_value() -> None:
    """sqrt 2 / T, where no tutor looks where the student does."""
    student, teacher = torch.zeros(1, 1, 5, 4), torch.zeros(1, 2, 5, 4)
    student[..., 0, 0], teacher[..., 4, 1] = 3, 7
    found = attention_loss([student], [teacher] * T, torch.full((1, T), 1 / T), SIZE)
    assert found.item() == pytest.approx(2**0.5 / T)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_reach_student_and_tutors_only(loss: Loss, student: Maps, teacher: Maps, tutors: Tensor) -> None:
    """The gradient for g is what each pair would cost, so that descent prefers the tutor that is nearest."""
    for a in (*student, *teacher, tutors):
        a.requires_grad_()
    loss(student, teacher, tutors, SIZE).backward()
    assert all(a.grad is None for a in teacher)
    assert all(a.grad.abs().max() > 0 for a in student)
    nearest = [[loss([a], [b], torch.ones(1, 1), SIZE).item() / (S * T) for b in teacher] for a in student]
    torch.testing.assert_close(tutors.grad, torch.tensor(nearest))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_down_the_gradient_brings_the_maps_together(loss: Loss, student: Maps, teacher: Maps, tutors: Tensor) -> None:
    student = [a.requires_grad_() for a in student]
    before = loss(student, teacher, tutors, SIZE)
    gradients = torch.autograd.grad(before, student)
    after = loss([a - 0.1 * g / g.norm() for a, g in zip(student, gradients, strict=True)], teacher, tutors, SIZE)
    assert after < before


@pytest.mark.parametrize("loss", LOSSES)
def test_dead_maps_give_finite_losses_and_gradients(loss: Loss, student: Maps, teacher: Maps, tutors: Tensor) -> None:
    dead = [torch.zeros_like(a, requires_grad=True) for a in student]
    for tutor_maps in (teacher, [torch.zeros_like(a) for a in teacher]):
        value = loss(dead, tutor_maps, tutors, SIZE)
        value.backward()
        assert value.isfinite()
        assert all(a.grad.isfinite().all() for a in dead)
    assert loss(dead, tutor_maps, tutors, SIZE) == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_changes_nothing(loss: Loss, student: Maps, teacher: Maps, tutors: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(student, teacher, tutors, SIZE)
    assert torch.equal(found, loss(student, teacher, tutors, SIZE))


@pytest.mark.parametrize("loss", LOSSES)
def test_tutors_of_another_network_are_no_tutors(loss: Loss, student: Maps, teacher: Maps, tutors: Tensor) -> None:
    """One row for all layers would broadcast."""
    with pytest.raises(AssertionError, match=r"tutors \(1, 3\) for distances \(3, 2, 3\)"):
        loss(student, teacher, tutors[:1], SIZE)
