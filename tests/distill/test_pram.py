"""Post-ReLU activation mismatch: hand arithmetic, its range and invariances, and a second way to compute it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from distill import pram, pram_printed, pram_released

FORMS = [pram_printed, pram_released]
SHAPE = (3, 4, 5, 2)


@pytest.fixture
def maps(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Student's, with negative values where it has no ReLU, and teacher's."""
    return torch.randn(SHAPE, generator=generator), torch.randn(SHAPE, generator=generator).relu()


def test_printed_by_hand() -> None:
    """Image 1: (3, 4) / 5 against (1, 0): |(-0.4, 0.8)| = sqrt(0.8). Image 2: (0, 2) / 2 against (5, 12) / 13. Their mean."""
    student = torch.tensor([[3.0, 4.0], [0.0, 2.0]]).view(2, 2, 1, 1)
    teacher = torch.tensor([[7.0, 0.0], [5.0, 12.0]]).view(2, 2, 1, 1)
    expected = (0.8**0.5 + ((5 / 13) ** 2 + (1 / 13) ** 2) ** 0.5) / 2
    assert pram_printed(student, teacher).item() == pytest.approx(expected)


def test_printed_normalises_the_whole_map_of_an_image() -> None:
    """Two channels of two pixels: norms sqrt(1 + 4 + 4 + 0) = 3 and 1."""
    student = torch.tensor([[1.0, 2.0], [2.0, 0.0]]).view(1, 2, 1, 2)
    teacher = torch.tensor([[0.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 2)
    assert pram_printed(student, teacher).item() == pytest.approx(2**0.5)


def test_printed_reaches_both_ends_of_its_range(maps: tuple[Tensor, Tensor]) -> None:
    student, teacher = maps
    assert pram_printed(teacher, teacher).item() == pytest.approx(0, abs=1e-6)
    assert pram_printed(-teacher, teacher).item() == pytest.approx(2)
    assert 0 < pram_printed(student, teacher) < 2


def test_released_is_attention_transfer(maps: tuple[Tensor, Tensor]) -> None:
    """Image by image, pixel by pixel, in Python's own numbers."""
    student, teacher = maps
    total = 0.0
    for b in range(SHAPE[0]):
        attention = []
        for a in (student[b].tolist(), teacher[b].tolist()):
            v = [sum(a[c][h][w] ** 2 for c in range(SHAPE[1])) / SHAPE[1] for h in range(SHAPE[2]) for w in range(SHAPE[3])]
            norm = sum(x * x for x in v) ** 0.5
            attention.append([x / norm for x in v])
        total += sum((s - t) ** 2 for s, t in zip(*attention, strict=True)) / (SHAPE[2] * SHAPE[3])
    assert pram_released(student, teacher).item() == pytest.approx(total / SHAPE[0], rel=1e-5)


def test_released_sees_neither_signs_nor_the_order_of_channels(maps: tuple[Tensor, Tensor]) -> None:
    student, teacher = maps
    expected = pram_released(student, teacher)
    torch.testing.assert_close(pram_released(-student.flip(1), teacher), expected)
    assert pram_printed(-student.flip(1), teacher) != pram_printed(student, teacher)


def test_released_stays_in_its_range(maps: tuple[Tensor, Tensor]) -> None:
    """2 / (H W) at most, as attention is never negative: two different pixels, each of which has all of it."""
    student, teacher = torch.zeros(1, 1, 5, 2), torch.zeros(1, 1, 5, 2)
    student[..., 0, 0], teacher[..., 4, 1] = 3, 7
    assert pram_released(student, teacher).item() == pytest.approx(2 / 10)
    assert 0 < pram_released(*maps) < 2 / 10


@pytest.mark.parametrize("form", FORMS)
def test_scale_does_not_matter(form: Callable[[Tensor, Tensor], Tensor], maps: tuple[Tensor, Tensor]) -> None:
    """The scale of either network, nor that of a single image."""
    student, teacher = maps
    scales = torch.tensor([0.01, 1.0, 300.0]).view(3, 1, 1, 1)
    torch.testing.assert_close(form(student * scales, teacher * 5), form(student, teacher))


@pytest.mark.parametrize("form", FORMS)
def test_equal_maps_give_zero_and_a_finite_gradient(
    form: Callable[[Tensor, Tensor], Tensor], maps: tuple[Tensor, Tensor]
) -> None:
    """The norm of Eq. 4 has no derivative at 0, where a student that starts as its teacher begins."""
    student = maps[1].clone().requires_grad_()
    loss = form(student, maps[1])
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("form", FORMS)
def test_dead_maps_give_finite_losses_and_gradients(
    form: Callable[[Tensor, Tensor], Tensor], maps: tuple[Tensor, Tensor]
) -> None:
    """A site of an image at which nothing is positive has norm 0."""
    student = torch.zeros(SHAPE, requires_grad=True)
    for teacher in (maps[1], torch.zeros(SHAPE)):
        loss = form(student, teacher)
        loss.backward()
        assert loss.isfinite()
        assert student.grad.isfinite().all()


@pytest.mark.parametrize("form", FORMS)
def test_no_gradient_reaches_the_teacher(form: Callable[[Tensor, Tensor], Tensor], maps: tuple[Tensor, Tensor]) -> None:
    student, teacher = (a.requires_grad_() for a in maps)
    form(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().max() > 0


@pytest.mark.parametrize("form", FORMS)
def test_a_step_down_the_gradient_brings_the_maps_together(
    form: Callable[[Tensor, Tensor], Tensor], maps: tuple[Tensor, Tensor]
) -> None:
    student = maps[0].requires_grad_()
    before = form(student, maps[1])
    (gradient,) = torch.autograd.grad(before, student)
    assert form(student - 0.1 * gradient / gradient.norm(), maps[1]) < before


@pytest.mark.parametrize(("name", "form"), [("printed", pram_printed), ("released", pram_released)])
def test_a_view_is_the_sum_over_its_sites(
    name: str, form: Callable[[Tensor, Tensor], Tensor], maps: tuple[Tensor, Tensor]
) -> None:
    """Sites are paired by name, whatever their order; what only the teacher has does not count."""
    student, teacher = maps
    by_site = pram(
        {"a": student, "b": student[..., :1]},
        {"more": teacher, "b": teacher[..., :1], "a": teacher},
        name,
    )
    torch.testing.assert_close(by_site, form(student, teacher) + form(student[..., :1], teacher[..., :1]))
