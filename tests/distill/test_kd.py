"""Distillation from softened predictions: torch's own KL, the role of the temperature, and where gradients go."""

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from distill import kd_kl

B, K = 6, 5


@pytest.fixture
def logits(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Student's and teacher's, (B, K)."""
    return torch.randn(B, K, generator=generator), 2 * torch.randn(B, K, generator=generator)


def test_temperature_1_is_the_plain_kl(logits: tuple[Tensor, Tensor]) -> None:
    student, teacher = logits
    expected = kl_divergence(Categorical(logits=teacher), Categorical(logits=student)).mean()
    torch.testing.assert_close(kd_kl(student, teacher, 1), expected)


@pytest.mark.parametrize("temperature", [0.5, 4.0, 20.0])
def test_temperature_softens_both_and_its_square_weighs(logits: tuple[Tensor, Tensor], temperature: float) -> None:
    student, teacher = logits
    p, q = (Categorical(logits=z.double() / temperature) for z in (teacher, student))
    expected = temperature**2 * kl_divergence(p, q).mean().float()
    torch.testing.assert_close(kd_kl(student, teacher, temperature), expected, rtol=1e-4, atol=1e-6)


def test_direction_by_hand() -> None:
    """p = (1/2, 1/2), q = (1/4, 3/4): KL(p, q) = 1/2 ln 2 + 1/2 ln 2/3 = 1/2 ln 4/3; KL(q, p) would be 0.131, not 0.144."""
    student, teacher = torch.tensor([[1 / 4, 3 / 4]]).log(), torch.zeros(1, 2)
    torch.testing.assert_close(kd_kl(student, teacher, 1), torch.tensor(4 / 3).log() / 2)


@pytest.mark.parametrize("temperature", [1, 4])
def test_equal_logits_give_zero_and_no_gradient(logits: tuple[Tensor, Tensor], temperature: float) -> None:
    student = logits[0].requires_grad_()
    loss = kd_kl(student, logits[0].clone(), temperature)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert student.grad.abs().max() < 1e-6


def test_different_logits_give_more_than_zero(logits: tuple[Tensor, Tensor]) -> None:
    assert kd_kl(*logits, 4) > 0.1


@pytest.mark.parametrize("temperature", [1, 4, 20])
def test_gradient_of_small_logits_does_not_depend_on_the_temperature(logits: tuple[Tensor, Tensor], temperature: float) -> None:
    """To first order softmax(z / T) = 1/K + (z - mean z) / (K T), so dL/ds = ((s - mean s) - (t - mean t)) / (B K)."""
    student, teacher = (0.01 * z for z in logits)
    student.requires_grad_()
    kd_kl(student, teacher, temperature).backward()
    difference = (student - teacher).detach()
    expected = (difference - difference.mean(dim=1, keepdim=True)) / (B * K)
    torch.testing.assert_close(student.grad, expected, rtol=0.05, atol=0.02 * expected.abs().max().item())


def test_no_gradient_reaches_the_teacher(logits: tuple[Tensor, Tensor]) -> None:
    student, teacher = (z.requires_grad_() for z in logits)
    kd_kl(student, teacher, 4).backward()
    assert teacher.grad is None
    assert student.grad.abs().max() > 0


def test_only_differences_of_logits_count(logits: tuple[Tensor, Tensor], generator: torch.Generator) -> None:
    student, teacher = logits
    shifts = 10 * torch.randn(2, B, 1, generator=generator)
    torch.testing.assert_close(
        kd_kl(student + shifts[0], teacher + shifts[1], 4), kd_kl(student, teacher, 4), rtol=1e-4, atol=1e-5
    )


def test_certain_teachers_give_finite_losses_and_gradients() -> None:
    student = torch.tensor([[-1e4, 0, 1e4]], requires_grad=True)
    loss = kd_kl(student, torch.tensor([[1e4, 0, -1e4]]), 1)
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert student.grad.isfinite().all()


def test_half_precision_logits_are_computed_in_fp32(logits: tuple[Tensor, Tensor]) -> None:
    student, teacher = (z.bfloat16() for z in logits)
    assert torch.equal(kd_kl(student, teacher, 4), kd_kl(student.float(), teacher.float(), 4))
