"""Accuracy: hits by hand, intervals as published, attacks that never help, and the same result however the work is shared."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlnet import accuracy
from rlnet.accuracy import Hits, hits, random_part
from rlnet.attacks import AttackConfig, Pixels, pgd_linf
from rlnet.data import ImageSet
from rlnet.models import ModeNetwork
from rlnet.training.device import Compute

CPU = Compute(torch.device("cpu"), "fp32")
CLASSES = 5


class Brightness(nn.Module):
    """Says class 1 of images brighter than 1/2 on average, class 0 of others."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        margin = self.scale * (x.mean(dim=(1, 2, 3)) - 0.5)
        return torch.stack([-margin, margin], dim=1)


def grey(levels: list[int], labels: list[int]) -> ImageSet:
    images = torch.tensor(levels, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    return ImageSet(images, torch.tensor(labels))


def test_hits_by_hand() -> None:
    """Dark, dark, bright, bright, bright; four labels are right. A constant classifier hits as often as its class occurs."""
    images = grey([0, 100, 200, 255, 128], [0, 1, 1, 1, 1])
    assert hits(Brightness(), images, "normal", CPU) == Hits(4, 5)
    constant = Brightness()
    constant.scale.data.zero_()  # equal logits: argmax says class 0
    assert hits(constant, images, "normal", CPU) == Hits(1, 5)


def test_attack_by_hand() -> None:
    """PGD moves the mean of a grey image by eps: images within eps of 1/2 change sides, and those that were wrong stay so."""
    images = grey([110, 120, 135, 145, 126], [0, 0, 1, 1, 1])
    attack = AttackConfig(Pixels("10/255"), Pixels("5/255"), 5)
    assert hits(Brightness(), images, "normal", CPU) == Hits(4, 5)
    assert hits(Brightness(), images, "normal", CPU, attack=attack) == Hits(2, 5)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        (8, 10, 0.490, 0.943),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, Table I, method 3
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0000),
    ],
)
def test_wilson_interval_as_published(correct: int, n: int, low: float, high: float) -> None:
    assert Hits(correct, n).ci95 == pytest.approx([low, high], abs=5e-4 if n == 10 else 5e-5)


def test_wilson_interval_solves_its_equation() -> None:
    """Its ends are where |accuracy - p| = z sqrt(p (1 - p) / n)."""
    found = Hits(913, 1000)
    for p in found.ci95:
        assert abs(found.accuracy - p) == pytest.approx(1.959964 * (p * (1 - p) / found.n) ** 0.5)


@pytest.fixture(scope="module")
def toy() -> ImageSet:
    """Five faint patterns under noise, 16x more images than a batch of the tests below."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(160) % CLASSES
    patterns = torch.rand(CLASSES, 1, 8, 8, generator=generator) - 0.5
    x = 0.5 + 0.4 * patterns[labels] + 0.1 * torch.randn(160, 1, 8, 8, generator=generator)
    return ImageSet((255 * x).clamp(0, 255).byte(), labels)


@pytest.fixture(scope="module")
def trained(toy: ImageSet, tiny_network: Callable[..., ModeNetwork]) -> ModeNetwork:
    """A partial-ReLU network that has learnt the toy set in both modes."""
    network = tiny_network(keep=0.5).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    x = toy.images.float() / 255
    for _ in range(15):
        optimizer.zero_grad()
        for mode in ("normal", "adversarial"):
            F.cross_entropy(network(x, mode=mode), toy.labels).backward()
        optimizer.step()
    return network


@pytest.mark.parametrize("mode", ["normal", "adversarial"])
def test_an_attack_never_helps(trained: ModeNetwork, toy: ImageSet, mode: str) -> None:
    """Accuracy falls with eps, from that on the images themselves at eps 0; no more than two images go the other way."""
    found = [hits(trained, toy, mode, CPU)]
    for eps in ("0", "8/255", "24/255", "80/255"):
        attack = AttackConfig(Pixels(eps), Pixels("8/255"), 10)
        found.append(hits(trained, toy, mode, CPU, attack=attack))
    clean, zero, *attacked = [result.correct for result in found]
    assert clean > 0.9 * len(toy)
    assert zero == clean
    assert all(stronger <= weaker + 2 for weaker, stronger in zip([zero, *attacked], attacked, strict=False))
    assert attacked[-1] < 0.3 * len(toy)


def test_each_mode_is_measured_on_its_own_path(trained: ModeNetwork, toy: ImageSet) -> None:
    """And the network is left as it was, mode and training flags included."""
    trained.train()
    trained.take("adversarial")
    broken = {name: value.clone() for name, value in trained.state_dict().items()}
    for name, value in trained.state_dict().items():
        if ".paths.clean.running_mean" in name:
            value.add_(100.0)
    try:
        assert hits(trained, toy, "normal", CPU).accuracy < 0.5
        assert hits(trained, toy, "adversarial", CPU).accuracy > 0.9
        assert trained.training
        assert trained.conv1.bn.path == "adversarial"
        assert all(parameter.grad is None or parameter.requires_grad for parameter in trained.parameters())
    finally:
        trained.load_state_dict(broken)


@pytest.mark.parametrize("ranks", [2, 3, 7])
def test_ranks_share_the_work_and_change_nothing(
    trained: ModeNetwork, toy: ImageSet, ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever rank takes a batch, and whenever: the hits add up to those of one process, and so does what was random."""
    monkeypatch.setattr(accuracy, "BATCH", 10)
    seen: list[float] = []

    def remember(network: Callable, x: Tensor, attack: AttackConfig, noise: Tensor) -> Tensor:
        seen.append(noise.sum().item())
        return pgd_linf(network, x, attack, noise)

    monkeypatch.setattr(accuracy, "pgd_linf", remember)

    def measure(seed: int = 5) -> Hits:
        attack = AttackConfig(Pixels("12/255"), Pixels("8/255"), 2)
        return hits(trained, toy, "adversarial", CPU, attack=attack, seed=seed)

    expected = measure()
    alone, seen[:] = sorted(seen), []
    assert len(set(alone)) == 16  # no two batches draw the same
    measure(seed=6)
    assert not set(seen) & set(alone)
    seen.clear()
    monkeypatch.setattr(accuracy.distributed, "world_size", lambda: ranks)
    monkeypatch.setattr(accuracy.distributed, "sum_over_ranks", lambda tensor: tensor)
    parts = []
    for rank in reversed(range(ranks)):
        monkeypatch.setattr(accuracy.distributed, "rank", lambda rank=rank: rank)
        parts.append(measure())
    assert 0.2 < expected.accuracy < 0.9
    assert sum(part.correct for part in parts) == expected.correct
    assert {part.n for part in parts} == {expected.n} == {len(toy)}
    assert sorted(seen) == alone


def numbered(n: int) -> ImageSet:
    return ImageSet(torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1), torch.arange(n))


def test_random_part_is_fixed_and_drawn_from_the_whole_set() -> None:
    images = numbered(200)
    torch.manual_seed(1)
    first = random_part(images, 50)
    torch.manual_seed(2)
    again = random_part(images, 50)
    chosen = first.labels.tolist()
    assert chosen == again.labels.tolist()
    assert chosen == sorted(set(chosen)) and len(chosen) == 50
    assert first.images.flatten().tolist() == chosen
    for quarter in range(4):  # hypergeometric with mean 12.5 and standard deviation 2.7
        assert 3 <= sum(50 * quarter <= i < 50 * (quarter + 1) for i in chosen) <= 22


@pytest.mark.parametrize("limit", [None, 20, 21, 10**6])
def test_random_part_of_no_real_limit_is_everything(limit: int | None) -> None:
    images = numbered(20)
    assert random_part(images, limit) is images


@pytest.mark.parametrize("limit", [0, -5])
def test_random_part_is_never_empty(limit: int) -> None:
    with pytest.raises(ValueError, match=f"a limit of {limit} images leaves none"):
        random_part(numbered(20), limit)
