"""DeepFool: closed forms of linear classifiers in both norms, what is beyond eps, the classes it looks at."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch

from rlnet.attacks import DeepFool, Draws
from rlnet.attacks.attack import is_fooled
from rlnet.attacks.hyperplane import to_hyperplane


@pytest.mark.parametrize(("norm", "dual", "size"), [("inf", 1, float("inf")), ("2", 2, 2)])
def test_the_exact_distance_of_a_linear_classifier(norm: Literal["inf", "2"], dual: int, size: float, linear: Callable) -> None:
    """1 + overshoot times min_k |f_k| / |w_k|_q, away from the ends of the box."""
    classifier = linear(48, 5)
    x = 0.45 + 0.1 * torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    logits = classifier(x)
    labels = logits.argmax(dim=1)
    lead = logits - logits.max(dim=1, keepdim=True).values
    slope = (classifier.w - classifier.w[labels][:, None]).norm(p=dual, dim=2)
    distance = (lead.abs() / slope).nan_to_num(nan=float("inf")).min(dim=1).values
    found = DeepFool(norm).nearest(classifier, x, labels)
    assert is_fooled(classifier(found), labels).all()
    torch.testing.assert_close((found - x).flatten(1).norm(p=size, dim=1), 1.02 * distance, rtol=1e-3, atol=1e-6)


def test_stays_in_the_box_and_still_finds_the_shortest_way(linear: Callable) -> None:
    """Of black and white images of two classes, where a pixel can move one way only."""
    classifier = linear(48, 2)
    x = (torch.rand(10, 3, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.5).float()
    labels = classifier(x).argmax(dim=1)
    logits = classifier(x)
    value = logits.gather(1, 1 - labels[:, None])[:, 0] - logits.gather(1, labels[:, None])[:, 0]
    w = (classifier.w[1 - labels] - classifier.w[labels]).view_as(x)
    found = DeepFool().nearest(classifier, x, labels)
    assert is_fooled(classifier(found), labels).all() and found.min() >= 0 and found.max() <= 1
    shortest = to_hyperplane(x, w, value).abs().amax(dim=(1, 2, 3))
    torch.testing.assert_close((found - x).abs().amax(dim=(1, 2, 3)), 1.02 * shortest, rtol=1e-3, atol=1e-6)


def test_counts_within_eps_only(linear: Callable) -> None:
    """Nearer than eps its image is what it found; farther, it is drawn back onto the ball, where the label is right again."""
    classifier = linear(48, 5)
    x = 0.45 + 0.1 * torch.rand(20, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    labels = classifier(x).argmax(dim=1)
    nearest = DeepFool().nearest(classifier, x, labels)
    distance = (nearest - x).abs().amax(dim=(1, 2, 3))
    eps = float(distance.median())
    found = DeepFool()(classifier, x, labels, eps, Draws(0, 20))
    near = distance <= eps
    assert 5 < near.sum() < 15
    torch.testing.assert_close(found[near], nearest[near])
    assert (found - x).abs().max() <= eps + 1e-6
    assert torch.equal(
        is_fooled(classifier(found[distance < 0.9 * eps]), labels[distance < 0.9 * eps]).all(), torch.tensor(True)
    )
    assert not is_fooled(classifier(found[distance > 1.1 * eps]), labels[distance > 1.1 * eps]).any()


def test_looks_at_the_likeliest_classes_only(linear: Callable) -> None:
    """With two classes, it goes to the runner-up, though another class is nearer."""
    classifier = linear(48, 5)
    x = 0.45 + 0.1 * torch.rand(40, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    order = classifier(x).argsort(dim=1, descending=True)
    labels = order[:, 0]
    all_five = classifier(DeepFool().nearest(classifier, x, labels)).argmax(dim=1)
    two = DeepFool(classes=2).nearest(classifier, x, labels)
    assert is_fooled(classifier(two), labels).all()
    others = all_five != order[:, 1]
    assert 0 < others.sum() < 40
    lengths = [(found - x).abs().amax(dim=(1, 2, 3)) for found in (DeepFool().nearest(classifier, x, labels), two)]
    assert torch.all(lengths[0][others] < lengths[1][others])
    torch.testing.assert_close(lengths[0][~others], lengths[1][~others])
