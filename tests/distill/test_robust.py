"""Robust losses on logits: the equations from probabilities, special cases, and where gradients go and do not go."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Categorical, kl_divergence

from distill import ard, kd_kl, kl_student_first, label_attack, rslad, rslad_attack, trades, trades_attack, trades_kl

B, K = 6, 5
LABELS = torch.arange(B) % K


@pytest.fixture
def logits(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The student's of clean and of adversarial images, and the teacher's, (B, K)."""
    clean, adversarial, teacher = torch.randn(3, B, K, generator=generator).unbind()
    return clean, adversarial, 2 * teacher


def kl(first: Tensor, second: Tensor) -> Tensor:
    return kl_divergence(Categorical(logits=first), Categorical(logits=second)).mean()


@pytest.mark.parametrize("beta", [0.0, 1.0, 6.0])
def test_trades(logits: tuple[Tensor, ...], beta: float) -> None:
    clean, adversarial, _ = logits
    expected = F.cross_entropy(clean, LABELS) + beta * kl(clean, adversarial)
    torch.testing.assert_close(trades(clean, adversarial, LABELS, beta), expected)


def test_trades_by_hand() -> None:
    """p = (1/2, 1/2), p' = (1/4, 3/4): ln 2 + 6 (1/2 ln 2 + 1/2 ln 2/3) = ln 2 + 3 ln 4/3."""
    clean, adversarial = torch.zeros(1, 2), torch.tensor([[1 / 4, 3 / 4]]).log()
    found = trades(clean, adversarial, torch.tensor([1]), 6)
    torch.testing.assert_close(found, torch.tensor(2.0).log() + 3 * torch.tensor(4 / 3).log())


def test_trades_trains_both_predictions(logits: tuple[Tensor, ...]) -> None:
    """Unlike distillation: the clean one is no fixed target. Nothing is pulled where they agree."""
    clean, adversarial = (z.clone().requires_grad_() for z in logits[:2])
    trades_kl(clean, adversarial).backward()
    assert clean.grad.abs().max() > 0.01 and adversarial.grad.abs().max() > 0.01
    same = logits[0].clone().requires_grad_()
    value = trades_kl(same, same.detach().clone())
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-6) and same.grad.abs().max() < 1e-6


@pytest.mark.parametrize(("alpha", "temperature"), [(0.0, 1.0), (0.5, 4.0), (1.0, 30.0)])
def test_ard(logits: tuple[Tensor, ...], alpha: float, temperature: float) -> None:
    clean, adversarial, teacher = (z.double() for z in logits)
    distilled = temperature**2 * kl(teacher / temperature, adversarial / temperature)
    expected = alpha * distilled + (1 - alpha) * F.cross_entropy(clean, LABELS)
    found = ard(*logits, LABELS, alpha, temperature)
    torch.testing.assert_close(found, expected.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 5 / 6, 1.0])
def test_rslad(logits: tuple[Tensor, ...], alpha: float) -> None:
    """K times the mean over images and classes that the papers' code takes."""
    clean, adversarial, teacher = logits
    p = teacher.softmax(dim=1)
    elements = [p * (p.log() - z.log_softmax(dim=1)) for z in (clean, adversarial)]
    released = (1 - alpha) * elements[0].mean() + alpha * elements[1].mean()
    torch.testing.assert_close(rslad(clean, adversarial, teacher, alpha), K * released)


def test_rslad_without_a_perturbation_is_distillation(logits: tuple[Tensor, ...]) -> None:
    clean, _, teacher = logits
    torch.testing.assert_close(rslad(clean, clean, teacher), kd_kl(clean, teacher, 1))
    assert rslad(teacher, teacher, teacher).item() == pytest.approx(0, abs=1e-6)


def test_no_gradient_reaches_the_teacher(logits: tuple[Tensor, ...]) -> None:
    clean, adversarial, teacher = (z.requires_grad_() for z in logits)
    for loss in (ard(clean, adversarial, teacher, LABELS, 0.5, 4), rslad(clean, adversarial, teacher)):
        clean.grad = adversarial.grad = None
        loss.backward()
        assert teacher.grad is None
        assert clean.grad.abs().max() > 0 and adversarial.grad.abs().max() > 0


def test_what_attacks_maximise(logits: tuple[Tensor, ...]) -> None:
    """As a function of the attacked logits alone: what they are compared with gets no gradient."""
    clean, adversarial, teacher = (z.requires_grad_() for z in logits)
    torch.testing.assert_close(label_attack(adversarial, LABELS), F.cross_entropy(adversarial, LABELS))
    torch.testing.assert_close(trades_attack(adversarial, clean), kl(clean, adversarial))
    torch.testing.assert_close(rslad_attack(adversarial, teacher), kl(teacher, adversarial))
    (trades_attack(adversarial, clean) + rslad_attack(adversarial, teacher)).backward()
    assert clean.grad is None and teacher.grad is None and adversarial.grad.abs().max() > 0


def test_the_attack_of_trades_starts_from_a_flat_place(logits: tuple[Tensor, ...]) -> None:
    """The gradient is 0 at the clean image itself, which is why the attack needs a random start."""
    clean = logits[0]
    adversarial = clean.clone().requires_grad_()
    trades_attack(adversarial, clean).backward()
    assert adversarial.grad.abs().max() < 1e-6


def test_student_first(logits: tuple[Tensor, ...]) -> None:
    student, _, teacher = (z.requires_grad_() for z in logits)
    found = kl_student_first(student, teacher)
    torch.testing.assert_close(found, kl(student, teacher))
    assert found != kd_kl(student, teacher, 1)
    found.backward()
    assert teacher.grad is None and student.grad.abs().max() > 0


def test_half_precision_logits_are_computed_in_fp32(logits: tuple[Tensor, ...]) -> None:
    half = [z.bfloat16() for z in logits]
    full = [z.float() for z in half]
    assert torch.equal(trades(*half[:2], LABELS, 6), trades(*full[:2], LABELS, 6))
    assert torch.equal(ard(*half, LABELS, 0.5, 4), ard(*full, LABELS, 0.5, 4))
    assert torch.equal(rslad(*half), rslad(*full))
