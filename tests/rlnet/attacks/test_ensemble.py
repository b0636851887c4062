"""Robustness under several stages: who fooled whom, who is asked, and what is checked."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rlnet.attacks import ROBUST, WRONG, Draws, named, robust_under

X = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.6]).view(5, 1, 1, 1)
ZERO = torch.zeros(5, dtype=torch.int64)


def classifier(x: Tensor) -> Tensor:
    """Class 1 from 0.5 on."""
    lead = x.flatten(1).sum(dim=1) - 0.5
    return torch.stack([-lead, lead], dim=1)


class Add:
    """Adds a number to every image, and writes down who is attacked with which draws."""

    passes = 1

    def __init__(self, number: float):
        self.number, self.seen, self.drawn = number, [], []

    def __call__(self, classifier: object, x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        self.seen.append(x.flatten().tolist())
        self.drawn.append(draws.uniform(torch.arange(len(x))))
        return x + self.number


def test_each_stage_gets_what_those_before_it_left() -> None:
    stages = [("a", Add(0.15)), ("b", Add(-0.1)), ("c", Add(0.25))]
    x_adv, fooled_by = robust_under(classifier, X, ZERO, stages, 0.25, Draws(0, 5))
    assert fooled_by.tolist() == [ROBUST, ROBUST, 2, 0, WRONG]
    assert fooled_by.dtype == torch.int64
    seen = [attack.seen[0] for _, attack in stages]
    assert seen == [pytest.approx([0.1, 0.2, 0.3, 0.4]), pytest.approx([0.1, 0.2, 0.3]), pytest.approx([0.1, 0.2, 0.3])]
    assert x_adv.flatten().tolist() == pytest.approx([0.35, 0.45, 0.55, 0.55, 0.6])
    assert X.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.6])


def test_draws_are_an_image_s_own_and_a_stage_s_own() -> None:
    """Whatever stages come before, and whoever they leave."""
    alone, first, after = Add(0.0), Add(0.25), Add(0.0)
    robust_under(classifier, X, ZERO, [("b", alone)], 0.25, Draws(0, 5))
    robust_under(classifier, X, ZERO, [("a", first), ("b", after)], 0.25, Draws(0, 5))
    assert len(after.drawn[0]) == 2 and len(alone.drawn[0]) == 4
    assert torch.equal(after.drawn[0], alone.drawn[0][:2])
    assert not torch.equal(first.drawn[0], alone.drawn[0])


def test_stages_are_not_asked_in_vain() -> None:
    never = Add(0.0)
    _, fooled_by = robust_under(classifier, X[3:], ZERO[3:], [("a", Add(0.2)), ("b", never)], 0.25, Draws(0, 2))
    assert fooled_by.tolist() == [0, WRONG] and never.seen == []
    robust_under(classifier, X[4:], ZERO[4:], [("b", never)], 0.25, Draws(0, 1))
    assert never.seen == []


@pytest.mark.parametrize("number", [0.2502, -0.2])
def test_an_attack_that_leaves_ball_or_box_is_caught(number: float) -> None:
    with pytest.raises(AssertionError, match=r"a left the ball of radius 0.25 or \[0, 1\]"):
        robust_under(classifier, X, ZERO, [("a", Add(number))], 0.25, Draws(0, 5))


def test_stronger_attacks_leave_fewer_images(robust_digits: tuple[nn.Module, Tensor, Tensor]) -> None:
    """Up to one image in 150, where they start elsewhere."""
    network, x, labels = robust_digits[0], robust_digits[1][:150], robust_digits[2][:150]
    robust = {}
    for name in ("fgsm", "pgd-10", "pgd-20", "pgd-100x2", "apgd-ce", "pgd-20+apgd-ce"):
        fooled_by = robust_under(network, x, labels, named(name), 0.15, Draws(0, 150))[1]
        robust[name] = int((fooled_by == ROBUST).sum())
    assert 20 < robust["pgd-100x2"] < robust["fgsm"] < 140
    assert robust["pgd-20"] <= robust["pgd-10"] <= robust["fgsm"]
    assert robust["pgd-100x2"] <= robust["pgd-20"] + 1
    assert robust["apgd-ce"] <= robust["pgd-20"] + 1
    assert robust["pgd-20+apgd-ce"] <= robust["apgd-ce"]


class Shift:
    """Adds a step until the classifier that it looks at is fooled, five at most, and writes down how many it attacked."""

    passes = 5

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, classifier: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor, eps: float, draws: Draws) -> Tensor:
        self.seen.append(len(x))
        x_adv = x.clone()
        for _ in range(5):
            x_adv[classifier(x_adv).argmax(dim=1) == labels] += 0.06
        return x_adv


def test_what_fools_the_search_only_is_attacked_again() -> None:
    """A search that sees class 1 from 0.45 on takes 0.46 for found; the classifier itself does not, and has the last word."""
    attack = Shift()
    x = torch.tensor([0.1, 0.34, 0.4]).view(3, 1, 1, 1)

    def rough(x: Tensor) -> Tensor:
        return classifier(x + 0.05)

    x_adv, fooled_by = robust_under(classifier, x, ZERO[:3], [("a", attack)], 0.3, Draws(0, 3), rough)
    assert attack.seen == [3, 2]
    assert fooled_by.tolist() == [ROBUST, 0, 0]
    assert x_adv.flatten().tolist() == pytest.approx([0.4, 0.52, 0.52])


def test_a_search_in_the_classifier_itself_changes_nothing() -> None:
    plain, searched = Shift(), Shift()
    found = robust_under(classifier, X, ZERO, [("a", plain)], 0.3, Draws(0, 5))
    again = robust_under(classifier, X, ZERO, [("a", searched)], 0.3, Draws(0, 5), classifier)
    assert all(map(torch.equal, found, again)) and plain.seen == searched.seen
