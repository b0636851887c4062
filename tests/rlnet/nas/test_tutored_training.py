"""What a found network minimises, term by term, and how its adversarial path begins."""

import copy

import pytest
import torch
import torch.nn.functional as F

from distill import cac, trades_kl
from rlnet.attacks import AttackConfig, Pixels
from rlnet.data.batch import Batch
from rlnet.models import ModeNetwork, NetworkConfig, build, frozen
from rlnet.models.building import build_specification
from rlnet.nas.guidance import Teacher, one_hot
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.tutor_config import TutorConfig
from rlnet.nas.tutored_training import AdversarialObjective, TutoredObjective, start_adversarial_path
from rlnet.training.views import ViewMaker

SPACE = InvertedResidualSpace((1,), ((4, 3),), stem=4)
CHANNELS = ((0.5,) * 3, (0.5,) * 3)
EPS = 16 / 255


@pytest.fixture
def student() -> ModeNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_specification(SPACE.largest, 5, *CHANNELS, "dual").train()


def parts(student: ModeNetwork, kind: type[TutoredObjective], **options: object) -> TutoredObjective:
    network = build(NetworkConfig(width=2), 5, *CHANNELS)
    teacher = Teacher(network, ["conv1", "layer1.0.conv1"])
    views = ViewMaker(("clean", "adversarial"), AttackConfig(Pixels(EPS), Pixels(EPS), 2), False, 0, torch.device("cpu"))
    return kind(student, teacher, one_hot([0, 1, 1, 0], 2), views, TutorConfig(map_size=4, **options))


@pytest.fixture
def batch(generator: torch.Generator) -> Batch:
    return Batch(torch.arange(6), torch.rand(6, 3, 16, 16, generator=generator), None, torch.arange(6) % 5)


def test_training_is_on_clean_images_along_the_normal_path(student: ModeNetwork, batch: Batch) -> None:
    objective = parts(student, TutoredObjective, attention=2.0)
    assert objective.weights == {"ce": 1, "kl": 1, "attention": 2}
    logits = copy.deepcopy(student)(batch.x, mode="clean")
    with frozen(objective.guided.teacher.network, "adversarial"):
        terms = objective.terms(batch, 0, 0)
    torch.testing.assert_close(terms["ce"], F.cross_entropy(logits, batch.labels))
    sum(terms.values()).backward()
    names = [name for name, parameter in student.named_parameters() if parameter.grad is None]
    assert names and all("paths.adversarial" in name for name in names)


def test_finetuning_is_equation_6(student: ModeNetwork, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the images that its attack found: they stay in the ball and in [0, 1], and raise the KL that TRADES bounds."""
    objective, attacked = parts(student, AdversarialObjective, cac=0.5, cac_threshold=0.0), []
    adversarial = ViewMaker.adversarial

    def noted(*arguments: object) -> torch.Tensor:
        attacked.append(adversarial(*arguments))
        return attacked[-1]

    monkeypatch.setattr(ViewMaker, "adversarial", noted)
    before = copy.deepcopy(student)
    with frozen(objective.guided.teacher.network, "adversarial"):
        terms = objective.terms(batch, 0, 0)
    assert objective.weights == {"ce": 1, "trades": 6, "cac": 0.5, "kl": 1, "attention": 1}
    assert terms.keys() == objective.weights.keys()
    (x_adv,) = attacked
    assert (x_adv - batch.x).abs().max() <= EPS + 1e-6 and x_adv.min() >= 0 and x_adv.max() <= 1
    clean, moved = before(batch.x, mode="clean"), before(x_adv, mode="adversarial")
    torch.testing.assert_close(terms["ce"], F.cross_entropy(clean, batch.labels))
    torch.testing.assert_close(terms["trades"], trades_kl(clean, moved))
    torch.testing.assert_close(terms["cac"], cac(clean, moved, 0.5, 0.0))


def test_the_adversarial_path_starts_from_the_normal_one(student: ModeNetwork, batch: Batch) -> None:
    with torch.no_grad():
        student(batch.x, mode="clean")
    student.eval()
    with torch.no_grad():
        normal = student(batch.x, mode="normal")
        assert not torch.allclose(normal, student(batch.x, mode="adversarial"))
        start_adversarial_path(student)
        assert torch.equal(normal, student(batch.x, mode="adversarial"))
        assert torch.equal(normal, student(batch.x, mode="normal"))
