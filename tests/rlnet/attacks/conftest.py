"""What the tests of attacks share: images, linear classifiers, and a small network trained to be robust."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from rlnet.attacks import AttackConfig, Pixels, pgd_linf


class Linear(NamedTuple):
    """z = W x + b. w: (K, n), b: (K,)."""

    w: Tensor
    b: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w.T + self.b


@pytest.fixture
def linear(generator: torch.Generator) -> Callable[[int, int], Linear]:
    """Makes a random linear classifier of n pixels and K classes, which would give a grey image all classes alike."""

    def make(n: int, classes: int) -> Linear:
        w = torch.randn(classes, n, generator=generator)
        return Linear(w, -0.5 * w.sum(dim=1))

    return make


@pytest.fixture(scope="session")
def robust_digits() -> tuple[nn.Module, Tensor, Tensor]:
    """A network with images (517, 1, 8, 8) and labels that it has not seen.

    Two convolutions and a linear layer, adversarially trained at eps = 0.1; its parameters ask for no gradient.
    """
    raw = load_digits()
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(raw.target), generator=generator)
    x, labels = torch.from_numpy(raw.images / 16).float()[:, None][order], torch.from_numpy(raw.target)[order]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, second = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 16, 3, 2, 1)
        network = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    attack = AttackConfig(Pixels("0.1"), Pixels("0.04"), 4)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    batches = [batch for _ in range(4) for batch in torch.randperm(1280, generator=generator).split(64)]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.2, total_steps=len(batches))
    for batch in batches:
        noise = torch.rand(64, 1, 8, 8, generator=generator)
        x_adv = pgd_linf(lambda images, y=labels[batch]: F.cross_entropy(network(images), y), x[batch], attack, noise)
        F.cross_entropy(network(x_adv), labels[batch]).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    return network.eval().requires_grad_(False), x[1280:], labels[1280:]
