"""What the tests of evaluations share: coloured 8x8 patterns, a small network that has learnt them, and short settings."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F

from masks import find_sites, linearize, random_mask
from rlnet.attacks import AttackConfig, Pixels, pgd_linf
from rlnet.data import ImageSet
from rlnet.evaluation import parts, suspicions, work
from rlnet.evaluation.config import FullConfig
from rlnet.evaluation.full import evaluate
from rlnet.models import ModeNetwork, frozen
from tests.narrow_networks import TwoConvolutions

CLASSES, SHAPE = 5, (3, 8, 8)


class Trained(NamedTuple):
    """A network with two paths, and images that it has and has not seen."""

    network: ModeNetwork
    held_out: ImageSet
    test: ImageSet


def patterns(count: int, seed: int) -> ImageSet:
    """Five faint patterns under noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    clean = torch.rand(CLASSES, *SHAPE, generator=torch.Generator().manual_seed(0)) - 0.5
    x = 0.5 + 0.35 * clean[labels] + 0.35 * torch.randn(count, *SHAPE, generator=generator)
    return ImageSet((255 * x).clamp(0, 255).byte(), labels)


@pytest.fixture(scope="session")
def trained() -> Trained:
    """A network with half of its ReLUs; its adversarial path was trained against PGD at 16/255.

    The paths start apart, because in so small a network they would end alike: they differ on 10 of 80 images.
    """
    network = TwoConvolutions((8, 8), CLASSES, (0.5,) * 3, (0.2,) * 3, seed=3)
    generator = torch.Generator().manual_seed(0)
    for name, shape in find_sites(network, torch.zeros(1, *SHAPE)).items():
        count = shape[0] * shape[1] * shape[2] // 2
        linearize(network, {name: random_mask(shape, count, generator)})
    for norm in (network.conv1.bn, network.conv2.bn):
        norm.paths["adversarial"].weight.data.uniform_(0, 2, generator=generator)
        norm.paths["adversarial"].bias.data.uniform_(-1, 1, generator=generator)
    network = network.to(memory_format=torch.channels_last)
    images = patterns(150, 1)
    x, labels = images.images.float() / 255, images.labels
    attack = AttackConfig(Pixels("16/255"), Pixels("8/255"), 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    for _ in range(10):
        for batch in torch.randperm(len(x), generator=generator).split(50):
            noise = torch.rand(len(batch), *SHAPE, generator=generator)
            with frozen(network, "adversarial"):
                x_adv = pgd_linf(lambda z, y=labels[batch]: F.cross_entropy(network(z), y), x[batch], attack, noise)
            network.train()
            loss = F.cross_entropy(network(x[batch], mode="normal"), labels[batch])
            (loss + F.cross_entropy(network(x_adv, mode="adversarial"), labels[batch])).backward()
            optimizer.step()
            optimizer.zero_grad()
    return Trained(network.eval(), patterns(60, 2), patterns(80, 3))


@pytest.fixture(scope="session")
def quick() -> Callable[..., FullConfig]:
    """Makes short settings: two attacks of two steps and nothing else, with changes."""
    return partial(FullConfig, attacks=("fgsm", "pgd-2"), corruptions=(), curve=(), adaptive="pgd-2")


@pytest.fixture(scope="session")
def believed(trained: Trained) -> ImageSet:
    """Held-out images with the normal path's answers as labels: switching to the other path then costs accuracy."""
    images = trained.held_out.images
    with torch.no_grad():
        return ImageSet(images, trained.network(images.float() / 255, mode="normal").argmax(dim=1))


@pytest.fixture(scope="session")
def full_card(trained: Trained, quick: Callable[..., FullConfig], believed: ImageSet) -> dict[str, Any]:
    """The card of an evaluation of everything, at 8/255, with a switch that uses both paths."""
    config = quick(
        mode="auto",
        attacks=("fgsm", "pgd-2", "pgd-2+square-20"),
        corruptions=("fog", "contrast", "spatter"),
        curve=("4/255", "128/255"),
        clean_loss=0.02,
    )
    return evaluate(trained.network, trained.test, config, held_out=believed)


@pytest.fixture
def pieces_of_30(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of an evaluation in pieces of 30 images, and a short look at the network beforehand."""
    monkeypatch.setitem(parts.LARGEST_BATCH, "cpu", 30)
    monkeypatch.setattr(suspicions, "PROBED", 4)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the pieces that were measured since, in order."""
    keys, outcome = [], work._outcome

    def count(piece: work.Piece, *arguments: Any) -> work.Outcome:
        found = outcome(piece, *arguments)
        keys.append(piece.key)
        return found

    monkeypatch.setattr(work, "_outcome", count)
    return keys
