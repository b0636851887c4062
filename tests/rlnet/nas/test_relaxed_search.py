"""The search's steps: whose turn it is, what they minimise, and what is decided in the end."""

import copy

import pytest
import torch

from rlnet.attacks import AttackConfig
from rlnet.data.batch import Batch
from rlnet.models import NetworkConfig, build, frozen
from rlnet.models.building import build_specification
from rlnet.nas.guidance import Teacher
from rlnet.nas.limits import Limits
from rlnet.nas.relaxed_search import RelaxedObjective, decided, likeliest
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.tutor_config import TutorConfig
from rlnet.nas.watched_layers import teacher_layers
from rlnet.training.schedule import TrainConfig
from rlnet.training.views import ViewMaker

SPACE = InvertedResidualSpace((1, 2), ((4, 3), (8, 6, 5)), stem=4)
LIMITS = Limits((3, 16, 16), 5, relus=5000)
CHANNELS = ((0.5,) * 3, (0.5,) * 3)


def objective(limits: Limits = LIMITS, **options: object) -> RelaxedObjective:
    """Of searches of 2 epochs of 5 steps."""
    config = TutorConfig(map_size=4, search=TrainConfig(epochs=2), **options)
    network = build(NetworkConfig(width=2), 5, *CHANNELS)
    teacher = Teacher(network, teacher_layers(network, torch.zeros(2, 3, 16, 16)))
    views = ViewMaker(("clean",), AttackConfig(), False, 0, torch.device("cpu"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        student = build_specification(SPACE.largest, 5, *CHANNELS, "dual")
    return RelaxedObjective(student, teacher, config, SPACE, limits, views, steps=5)


@pytest.fixture
def batch(generator: torch.Generator) -> Batch:
    return Batch(torch.arange(6), torch.rand(6, 3, 16, 16, generator=generator), None, torch.arange(6) % 5)


def gradients(found: RelaxedObjective, batch: Batch, step: int) -> tuple[bool, bool, bool]:
    """Whether weights, widths and tutors get one in a step."""
    found.network.zero_grad(set_to_none=True)
    with frozen(found.guided.teacher.network, "adversarial"):
        sum(found.terms(batch, 0, step).values()).backward()
    parts = (list(found.network.parameters()), list(found.choices.widths), [found.choices.tutors])
    return tuple(any(p is not None and p.grad is not None and bool(p.grad.any()) for p in part) for part in parts)


def test_turns(batch: Batch) -> None:
    """The first four of five steps learn weights only, the last one widths and tutors only, by one step of Adam each."""
    found = objective()
    for step in range(4):
        assert gradients(found, batch, step) == (True, False, False)
        found.end_step()
    assert not any(logits.any() for logits in found.choices.parameters())
    assert gradients(found, batch, 4) == (False, True, True)
    found.end_step()
    moved = [logits.detach().abs() for logits in found.choices.parameters()]
    assert all(0 < move.max() <= 0.1 + 1e-6 for move in moved)
    logged = found.end_epoch()
    assert logged["tau"] == pytest.approx(5 * 2.718281828 ** (-4.5 * 0.4), rel=1e-6)
    assert 1 / 3 < logged["width_certainty"] < 1


def test_tutors_that_are_not_searched_have_no_logits(batch: Batch) -> None:
    fixed = objective(tutors="fixed")
    assert gradients(fixed, batch, 4) == (False, True, False) and fixed.tutors() == sorted(fixed.tutors())
    assert objective(guidance="none").tutors() is None


def test_latency_multiplies_all_terms(batch: Batch) -> None:
    """With a limit of half of what is expected at first, the pressure 2 makes the loss (n_f)^2 as large as without."""
    terms = {}
    for pressure in (0.0, 2.0):
        found = objective(pressure=pressure)
        with frozen(found.guided.teacher.network, "adversarial"), torch.no_grad():
            terms[pressure] = found.terms(batch, 0, 0)
            mixtures = [gates[0].mask for gates in found.gated.gates]
    assert all(mask.max() <= 1 + 1e-6 for mask in mixtures)
    ratios = [float(terms[2.0][name] / terms[0.0][name]) for name in ("ce", "kl", "attention")]
    assert ratios[0] > 1 and ratios == pytest.approx([ratios[0]] * 3, rel=1e-4)


def test_pressure_makes_networks_smaller(batch: Batch) -> None:
    """Of two searches, that with the pressure expects fewer ReLUs in the end."""
    relus = {}
    for pressure in (0.0, 50.0):
        found = objective(pressure=pressure)
        with frozen(found.guided.teacher.network, "adversarial"):
            for epoch in range(2):
                for step in (4, 4, 4, 4):
                    sum(found.terms(batch, epoch, step).values()).backward()
                    found.end_step()
        relus[pressure] = found.end_epoch()["expected_relus"]
    assert relus[50.0] < relus[0.0]


def test_what_is_decided_keeps_the_limits(generator: torch.Generator) -> None:
    """The likeliest network where it does; else one that does, and of them none that was found is likelier."""
    least, most = LIMITS.cost(SPACE.smallest).relus, LIMITS.cost(SPACE.largest).relus
    tight = Limits((3, 16, 16), 5, relus=(least + most) // 2)
    for _ in range(10):
        widths = [torch.randn(n, generator=generator) for n in SPACE.choices]
        genes = decided(widths, SPACE, tight, seed=0)
        assert tight.allow(SPACE.specification(genes))
        assert genes == likeliest(widths) or not tight.allow(SPACE.specification(likeliest(widths)))
    wide = [torch.eye(n)[0] for n in SPACE.choices]
    assert LIMITS.cost(SPACE.specification(decided(wide, SPACE, Limits((3, 16, 16), 5, relus=least), 0))).relus == least
    assert decided(wide, SPACE, Limits((3, 16, 16), 5), 0) == (0, 0, 0)


def test_state_comes_back(batch: Batch) -> None:
    """Two steps are what one step, a checkpoint and one step are."""

    def step(found: RelaxedObjective, epoch: int) -> None:
        with frozen(found.guided.teacher.network, "adversarial"):
            sum(found.terms(batch, epoch, 4).values()).backward()
        found.end_step()

    first, second = objective(), objective()
    step(first, 0)
    second.network.load_state_dict(first.network.state_dict())
    second.load_state(copy.deepcopy(first.state()))
    for found in (first, second):
        step(found, 1)
    for a, b in zip(first.choices.parameters(), second.choices.parameters(), strict=True):
        assert torch.equal(a, b)
