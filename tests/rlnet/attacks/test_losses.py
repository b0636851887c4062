"""Losses by hand arithmetic, and what they are invariant to."""

import math

import pytest
import torch

from rlnet.attacks.losses import cross_entropy, dlr, dlr_targeted, likeliest_wrong, margin

LOGITS = torch.tensor([[5.0, 1.0, 3.0, -1.0, 0.0], [5.0, 1.0, 3.0, -1.0, 0.0]])
LABELS = torch.tensor([0, 2])  # right, wrong


def test_by_hand() -> None:
    total = sum(math.exp(z) for z in LOGITS[0].tolist())
    assert cross_entropy(LOGITS, LABELS).tolist() == pytest.approx([math.log(total) - 5, math.log(total) - 3], rel=1e-5)
    assert margin(LOGITS, LABELS).tolist() == [3 - 5, 5 - 3]
    assert dlr(LOGITS, LABELS).tolist() == pytest.approx([-(5 - 3) / (5 - 1), -(3 - 5) / (5 - 1)])
    targets = torch.tensor([1, 4])
    found = dlr_targeted(LOGITS, LABELS, targets).tolist()
    assert found == pytest.approx([-(5 - 1) / (5 - 0.5), -(3 - 0) / (5 - 0.5)])  # (1 + 0) / 2 = 0.5


def test_margin_and_dlr_are_positive_where_the_prediction_is_wrong(generator: torch.Generator) -> None:
    logits, labels = torch.randn(50, 6, generator=generator), torch.arange(50) % 6
    wrong = logits.argmax(dim=1) != labels
    assert 0 < wrong.sum() < 50
    assert torch.equal(margin(logits, labels) > 0, wrong)
    assert torch.equal(dlr(logits, labels) > 0, wrong)


def test_dlr_does_not_see_shift_and_scale(generator: torch.Generator) -> None:
    logits, labels, targets = torch.randn(9, 6, generator=generator), torch.arange(9) % 6, torch.arange(1, 10) % 6
    torch.testing.assert_close(dlr(7 * logits + 3, labels), dlr(logits, labels))
    torch.testing.assert_close(dlr_targeted(7 * logits + 3, labels, targets), dlr_targeted(logits, labels, targets))


@pytest.mark.parametrize("classes", [2, 3])
def test_too_few_classes(classes: int) -> None:
    logits, labels = torch.zeros(1, classes), torch.zeros(1, dtype=torch.int64)
    margin(logits, labels)
    with pytest.raises(ValueError, match=f"targeted dlr loss compares 4 logits, but the network tells only {classes} classes"):
        dlr_targeted(logits, labels, labels + 1)
    if classes == 2:
        with pytest.raises(ValueError, match="dlr loss compares 3 logits, but the network tells only 2 classes apart"):
            dlr(logits, labels)


def test_likeliest_wrong_classes() -> None:
    assert likeliest_wrong(LOGITS, LABELS, 3).tolist() == [[2, 1, 4], [0, 1, 4]]
    assert likeliest_wrong(LOGITS, LABELS, 9).tolist() == [[2, 1, 4, 3], [0, 1, 4, 3]]
