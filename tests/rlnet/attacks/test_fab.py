"""FAB: the exact minimal distance of linear classifiers, and when it stops."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rlnet.attacks import Draws, TargetedFAB
from rlnet.attacks.attack import is_fooled
from rlnet.attacks.hyperplane import to_hyperplane


@pytest.mark.parametrize(("classes", "targets"), [(2, 9), (5, 9), (5, 1)])
def test_finds_the_nearest_image_of_a_linear_classifier(classes: int, targets: int, linear: Callable) -> None:
    """What is within 1.01 times the least distance to a target class in the box is found; of less than it, nothing is.

    Going on from 0.9 t, an eta of 1.05 and an alpha of |d_i| / (|d_i| + |d|) end at t = 1.0084 times the distance.
    """
    classifier = linear(48, classes)
    x = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    logits = classifier(x)
    labels = logits.argmax(dim=1)
    distance = torch.full((6,), float("inf"))
    for place in range(1, min(targets, classes - 1) + 1):
        k = logits.argsort(dim=1, descending=True)[:, place]
        w = (classifier.w[k] - classifier.w[labels]).view_as(x)
        value = logits.gather(1, k[:, None])[:, 0] - logits.gather(1, labels[:, None])[:, 0]
        distance = torch.minimum(distance, to_hyperplane(x, w, value).abs().amax(dim=(1, 2, 3)))
    attack = TargetedFAB(targets)
    for image in range(6):
        one, label = x[image : image + 1], labels[image : image + 1]
        near, far = (float(distance[image]) * factor for factor in (0.999, 1.01))
        found = attack(classifier, one, label, far, Draws(0, 1))
        assert is_fooled(classifier(found), label).item() and (found - one).abs().max() <= far + 1e-6
        if targets >= classes - 1:
            assert torch.equal(attack(classifier, one, label, near, Draws(0, 1)), one)


def test_looks_no_further_once_an_image_is_within_eps(linear: Callable) -> None:
    classifier, seen = linear(48, 4), []

    def counted(x: Tensor) -> Tensor:
        seen.append(len(x))
        return classifier(x)

    x = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    labels = classifier(x).argmax(dim=1)
    TargetedFAB()(counted, x, labels, 1.0, Draws(0, 6))
    assert seen == [6, 6, 6]  # the targets, one gradient, one look
    seen.clear()
    TargetedFAB(steps=10)(counted, x, labels, 1e-6, Draws(0, 6))
    assert seen == [6] * (1 + 3 * 10 * 2)
