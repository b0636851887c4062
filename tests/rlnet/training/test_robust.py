"""Objectives of robust training: each term computed again from its paper, perturbations, seeds, and which paths are trained."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rlnet.attacks import AttackConfig, Pixels
from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork, frozen
from rlnet.models.words import BatchNormKind
from rlnet.training.config import ObjectiveConfig
from rlnet.training.robust import RobustObjective, robust_objective
from rlnet.training.views import ViewMaker

B = 6
NAMES = ("at", "trades", "fast-at", "free")
EPS = 8 / 255
VIEWS = ViewMaker(("clean", "augmented", "adversarial"), AttackConfig(steps=2), False, 3, torch.device("cpu"))


@pytest.fixture
def batch(generator: torch.Generator) -> Batch:
    x = torch.randint(0, 256, (B, 1, 8, 8), dtype=torch.uint8, generator=generator)
    return Batch(torch.arange(B), x, torch.rand(B, 1, 8, 8, generator=generator), torch.arange(B) % 5)


@pytest.fixture
def make(tiny_network: Callable[..., ModeNetwork]) -> Callable[..., RobustObjective]:
    """Makes an objective of a fresh network in training mode, always the same one."""

    def objective(name: str, kind: BatchNormKind = "single", views: ViewMaker = VIEWS, **config: Any) -> RobustObjective:
        return robust_objective(ObjectiveConfig(name, **config), tiny_network(kind=kind).train(), views)

    return objective


@pytest.fixture
def fresh(make: Callable[..., RobustObjective]) -> Callable[[BatchNormKind], ModeNetwork]:
    """The network that `make` starts from, for a second computation."""
    return lambda kind="single": make("at", kind).network


def attacked(network: ModeNetwork, batch: Batch, attack: AttackConfig, loss: Callable[[Tensor], Tensor]) -> Tensor:
    return replace(VIEWS, attack=attack).adversarial(network, loss, batch.x / 255, epoch=2, step=1)


def kl(first: Tensor, second: Tensor) -> Tensor:
    p, q = first.softmax(dim=1), second.softmax(dim=1)
    return (p * (p / q).log()).sum(dim=1).mean()


@pytest.mark.parametrize(
    ("name", "attack"), [("at", AttackConfig(steps=2)), ("fast-at", AttackConfig(step_size=Pixels(1.25 * EPS), steps=1))]
)
def test_adversarial_training(
    make: Callable[..., RobustObjective], fresh: Callable[..., ModeNetwork], batch: Batch, name: str, attack: AttackConfig
) -> None:
    found = make(name).terms(batch, epoch=2, step=1)
    network = fresh()
    x_adv = attacked(network, batch, attack, lambda logits: F.cross_entropy(logits, batch.labels))
    assert list(found) == ["ce_adversarial"]
    torch.testing.assert_close(found["ce_adversarial"], F.cross_entropy(network(x_adv), batch.labels))


def test_trades(make: Callable[..., RobustObjective], fresh: Callable[..., ModeNetwork], batch: Batch) -> None:
    """Clean and attacked images along the one path, statistics of each batch its own; gradients through both predictions."""
    objective = make("trades", beta=5.0)
    found = objective.terms(batch, epoch=2, step=1)
    assert objective.weights == {"ce_trades": 1.0, "kl_trades": 5.0}
    network = fresh()
    with frozen(network, "adversarial"):
        clean = network(batch.x / 255)
    x_adv = attacked(network, batch, AttackConfig(steps=2), lambda logits: kl(clean, logits))
    clean, adversarial = network(batch.x / 255), network(x_adv)
    torch.testing.assert_close(found["ce_trades"], F.cross_entropy(clean, batch.labels))
    torch.testing.assert_close(found["kl_trades"], kl(clean, adversarial))
    assert found["kl_trades"] > 0
    (found["ce_trades"] + 5 * found["kl_trades"]).backward()
    (F.cross_entropy(clean, batch.labels) + 5 * kl(clean, adversarial)).backward()
    for ours, theirs in zip(objective.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6)


def test_free_replays_one_batch_and_carries_the_perturbation(
    make: Callable[..., RobustObjective], fresh: Callable[..., ModeNetwork], batch: Batch
) -> None:
    """Two batches of three steps against Algorithm 1 written out: one perturbation, started once, for all six."""
    objective, network = make("free", replays=3), fresh()
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (objective.network, network)]
    batches = [batch, replace(batch, x=batch.x.flip(0), labels=batch.labels.flip(0))]
    d = torch.zeros(B, 1, 8, 8)
    for step, part in enumerate(batches):
        for _ in range(objective.replays):
            term = objective.terms(part, 0, step)["ce_adversarial"]
            x_adv = (part.x / 255 + d).clamp(0, 1).requires_grad_()
            expected = F.cross_entropy(network(x_adv), part.labels)
            torch.testing.assert_close(term, expected)
            for loss, optimizer in zip((term, expected), optimizers, strict=True):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            objective.end_step()
            d = (d + EPS * x_adv.grad.sign()).clamp(-EPS, EPS)
            torch.testing.assert_close(objective.perturbation, d)
    assert d.abs().max().item() == pytest.approx(EPS)
    for ours, theirs in zip(objective.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_free_goes_on_with_the_perturbation_of_its_state(make: Callable[..., RobustObjective], batch: Batch) -> None:
    first, second = make("free"), make("free")
    first.terms(batch, 0, 0)["ce_adversarial"].backward()
    first.end_step()
    second.network.load_state_dict(first.network.state_dict())
    second.load_state(first.state())
    found = [objective.terms(batch, 0, 1)["ce_adversarial"] for objective in (first, second)]
    assert torch.equal(*found)
    assert found[0] != make("free").terms(batch, 0, 1)["ce_adversarial"]


@pytest.mark.parametrize("eps", ["8/255", "1/2", "0"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_trained_on_is_in_ball_and_box(
    make: Callable[..., RobustObjective], batch: Batch, monkeypatch: pytest.MonkeyPatch, name: str, eps: str
) -> None:
    """Every batch that the network sees in training mode."""
    seen: list[Tensor] = []
    logits = ModeNetwork._normalised_logits

    def see(network: ModeNetwork, x: Tensor) -> Tensor:
        if network.training:
            seen.append(x.detach().clone())
        return logits(network, x)

    monkeypatch.setattr(ModeNetwork, "_normalised_logits", see)
    objective = make(name, views=replace(VIEWS, attack=AttackConfig(eps=Pixels(eps), steps=2)))
    for step in range(3):
        terms = objective.terms(batch, 0, step)
        sum(terms.values()).backward()
        objective.end_step()
    x = batch.x / 255
    assert len(seen) == 3 * len(terms)
    assert all((images - x).abs().max() <= Pixels(eps) + 1e-6 and 0 <= images.min() <= images.max() <= 1 for images in seen)
    assert torch.equal(seen[-1], x) == (eps == "0")


@pytest.mark.parametrize("kind", ["dual", "triple"])
@pytest.mark.parametrize("name", NAMES)
def test_other_paths_are_trained_on_the_other_views(
    make: Callable[..., RobustObjective], fresh: Callable[..., ModeNetwork], batch: Batch, name: str, kind: BatchNormKind
) -> None:
    """The mean of their cross-entropies, in the batch statistics of their own."""
    objective = make(name, kind)
    before = {name: value.clone() for name, value in objective.network.state_dict().items()}
    found, network = objective.terms(batch, 2, 1), fresh(kind)
    for view, images in (("clean", batch.x / 255), ("augmented", batch.x_augmented)):
        torch.testing.assert_close(found[f"ce_{view}"], F.cross_entropy(network(images, mode=view), batch.labels))
        assert objective.weights[f"ce_{view}"] == 0.5
    assert set(objective.weights) == set(found)
    after = objective.network.state_dict()
    for path in {"dual": ("clean", "adversarial"), "triple": ("clean", "augmented", "adversarial")}[kind]:
        statistics = [key for key in before if f".{path}.running_mean" in key]
        assert statistics and all(not torch.equal(before[key], after[key]) for key in statistics)


@pytest.mark.parametrize("name", NAMES)
def test_split_batches(make: Callable[..., RobustObjective], batch: Batch, name: str) -> None:
    """Two paths share the batch out, as RLNet's public code does; with one path all of it is attacked."""
    views, half = replace(VIEWS, split_batch=True), B // 2
    ours = make(name, "dual", views).terms(batch, 2, 1)
    clean = make(name, "dual").network(batch.x[:half] / 255, mode="clean")
    torch.testing.assert_close(ours["ce_clean"], F.cross_entropy(clean, batch.labels[:half]))
    alone = make(name, "single", views).terms(batch, 2, 1)
    whole = make(name, "single").terms(batch, 2, 1)
    assert all(torch.equal(alone[key], whole[key]) for key in whole)


@pytest.mark.parametrize("name", ["at", "trades", "fast-at"])
def test_random_starts_come_from_seed_epoch_and_step(make: Callable[..., RobustObjective], batch: Batch, name: str) -> None:
    """And from nothing else: not from torch's own generator, which stays as it was."""

    def loss(seed: int, epoch: int, step: int) -> float:
        return sum(make(name, views=replace(VIEWS, seed=seed)).terms(batch, epoch, step).values()).item()

    state = torch.get_rng_state()
    losses = [loss(*place) for place in ((3, 0, 0), (4, 0, 0), (3, 1, 0), (3, 0, 1))]
    assert len(set(losses)) == 4
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1234)
    assert loss(3, 0, 0) == losses[0]


def test_beta_0_leaves_clean_training(make: Callable[..., RobustObjective], batch: Batch) -> None:
    objective = make("trades", beta=0.0)
    terms = objective.terms(batch, 0, 0)
    loss = sum(objective.weights[name] * term for name, term in terms.items())
    torch.testing.assert_close(loss, F.cross_entropy(make("at").network(batch.x / 255), batch.labels))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"beta": -1.0}, "objective.beta is -1.0; it is a weight, at least 0 and finite"),
        ({"beta": float("nan")}, "objective.beta is nan"),
        ({"beta": float("inf")}, "objective.beta is inf"),
        ({"replays": 0}, "objective.replays is 0; free training takes at least 1 step for each batch"),
    ],
)
def test_no_such_objective(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ObjectiveConfig("free", **wrong)
