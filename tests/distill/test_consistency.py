"""Confidence-aware consistency: hand arithmetic, the equation from probabilities, the threshold, and the fixed target."""

import pytest
import torch
from torch import Tensor

from distill import cac

B, K = 6, 5


@pytest.fixture
def logits(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Of clean and of adversarial images, (B, K)."""
    return 2 * torch.randn(B, K, generator=generator), 2 * torch.randn(B, K, generator=generator)


def test_by_hand() -> None:
    """p = (0.9, 0.1), p_adv = (0.5, 0.5): p_bar = (0.7, 0.3), squared (0.49, 0.09) / 0.58."""
    p, p_adv = torch.tensor([[0.9, 0.1]]), torch.tensor([[0.5, 0.5]])
    q = torch.tensor([0.49, 0.09]) / 0.58
    expected = sum((q * (q / other[0]).log()).sum() for other in (p, p_adv))
    torch.testing.assert_close(cac(p.log(), p_adv.log(), temperature=0.5, threshold=0.6), expected)
    assert cac(p.log(), p_adv.log(), temperature=0.5, threshold=0.71) == 0


@pytest.mark.parametrize(("temperature", "threshold"), [(1.0, 0.0), (0.5, 0.5), (0.1, 0.6)])
def test_is_equation_5(logits: tuple[Tensor, Tensor], temperature: float, threshold: float) -> None:
    """Image by image, from probabilities."""
    total, confident = 0.0, 0
    for p, p_adv in zip(*(z.double().softmax(dim=1) for z in logits), strict=True):
        mean = (p + p_adv) / 2
        target = mean ** (1 / temperature) / (mean ** (1 / temperature)).sum()
        if mean.max() >= threshold:
            confident += 1
            total += sum((target * (target / q).log()).sum().item() for q in (p, p_adv))
    assert confident > 0 and (threshold == 0 or confident < B)
    assert cac(*logits, temperature, threshold).item() == pytest.approx(total / B, rel=1e-4)


def test_temperature_1_is_the_jensen_shannon_direction(logits: tuple[Tensor, Tensor]) -> None:
    """KL(m || p) + KL(m || p_adv) with m the mean itself: 0 for equal predictions, symmetric in the two."""
    clean, adversarial = logits
    assert cac(clean, clean, 1, 0).item() == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(cac(clean, adversarial, 1, 0), cac(adversarial, clean, 1, 0))


def test_sharpening_makes_equal_predictions_surer(logits: tuple[Tensor, Tensor]) -> None:
    """The target is ahead of both, so that a step down the gradient raises the largest probability."""
    z = logits[0].clone().requires_grad_()
    cac(z, z, temperature=0.5, threshold=0).backward()
    largest = z.softmax(dim=1).max(dim=1).values
    assert ((z - 0.1 * z.grad).softmax(dim=1).max(dim=1).values > largest).all()


def test_unconfident_images_get_no_gradient(logits: tuple[Tensor, Tensor]) -> None:
    clean, adversarial = (z.requires_grad_() for z in logits)
    mean = ((clean.softmax(dim=1) + adversarial.softmax(dim=1)) / 2).max(dim=1).values
    cac(clean, adversarial, 0.5, threshold=mean.median().item()).backward()
    confident = mean >= mean.median()
    assert 0 < confident.sum() < B
    assert torch.equal(clean.grad.abs().sum(dim=1) > 0, confident)
    assert torch.equal(adversarial.grad.abs().sum(dim=1) > 0, confident)


def test_the_target_is_fixed(logits: tuple[Tensor, Tensor]) -> None:
    """d KL(target || softmax z) / dz = softmax z - target, which sums up to this only if the target gets no gradient."""
    clean, adversarial = (z.requires_grad_() for z in logits)
    cac(clean, adversarial, 0.5, 0).backward()
    p, p_adv = (z.detach().softmax(dim=1) for z in logits)
    squared = (p + p_adv).square()
    target = squared / squared.sum(dim=1, keepdim=True)
    torch.testing.assert_close(clean.grad, (p - target) / B)
    torch.testing.assert_close(adversarial.grad, (p_adv - target) / B)


def test_certain_predictions_give_finite_losses_and_gradients() -> None:
    clean, adversarial = torch.tensor([[1e4, 0, -1e4]], requires_grad=True), torch.tensor([[-1e4, 0, 1e4]], requires_grad=True)
    loss = cac(clean, adversarial, 0.01, 0.1)
    loss.backward()
    assert loss.isfinite() and clean.grad.isfinite().all() and adversarial.grad.isfinite().all()
