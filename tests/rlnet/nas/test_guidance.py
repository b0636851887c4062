"""What a teacher says: the attention loss by hand, the ablations, tutors that are not searched, robustness scores."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill import attention_map, kl_student_first
from rlnet.attacks import AttackConfig, Pixels
from rlnet.data import ImageSet
from rlnet.models import frozen
from rlnet.nas.guidance import Guided, Teacher, by_name, chosen_tutors, one_channel, one_hot
from rlnet.nas.robustness import relative_change, robustness_scores
from rlnet.nas.tutor_config import TutorConfig
from rlnet.training.device import resolve


class Strange(nn.Module):
    """Two convolutions without a bias, the second followed by an activation in place, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3, padding=1, bias=False), nn.Conv2d(2, 3, 3, 2, padding=1, bias=False)
        self.fc = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.relu_(self.second(self.first(x))).mean(dim=(2, 3)))


@pytest.fixture
def teacher() -> Teacher:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Teacher(Strange().eval(), ["first", "second"])


def terms(config: TutorConfig, teacher: Teacher, generator: torch.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Of a student of three units, and what goes into them."""
    x, logits = torch.rand(5, 1, 8, 8, generator=generator), torch.randn(5, 4, generator=generator)
    maps = [torch.randn(5, c, h, h, generator=generator) for c, h in ((2, 8), (4, 4), (3, 4))]
    tutors = one_hot([1, 0, 1], 2)
    return Guided(config, teacher).terms(x, logits, maps, tutors), {"x": x, "logits": logits, "maps": maps}


def test_the_attention_loss_by_hand(teacher: Teacher, generator: torch.Generator) -> None:
    """Eq. 1 with one tutor for each unit, image by image; the second layer's map is that before its activation."""
    found, given = terms(TutorConfig(map_size=6), teacher, generator)
    with torch.no_grad():
        first = teacher.network.first(given["x"])
        layers = [first, teacher.network.second(first)]

    def seen(a: Tensor) -> Tensor:
        return F.interpolate(a.square().sum(dim=1, keepdim=True), (6, 6), mode="bilinear").flatten()

    total = 0.0
    for b in range(5):
        for unit, tutor in enumerate((1, 0, 1)):
            s, t = seen(given["maps"][unit][b : b + 1]), seen(layers[tutor][b : b + 1])
            total += float((s / s.norm() - t / t.norm()).norm())
    assert float(found["attention"]) == pytest.approx(total / 5 / 6, rel=1e-4)
    torch.testing.assert_close(found["kl"], kl_student_first(given["logits"], teacher.network(given["x"])))


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (TutorConfig(), {"kl", "attention"}),
        (TutorConfig(guidance="layerwise-kl"), {"kl", "attention"}),
        (TutorConfig(guidance="rkd"), {"rkd", "attention"}),
        (TutorConfig(guidance="pkt"), {"pkt", "attention"}),
        (TutorConfig(guidance="none"), {"kl"}),
        (TutorConfig(kl=0), {"attention"}),
        (TutorConfig(attention=0), {"kl"}),
        (TutorConfig(guidance="none", kl=0), set()),
    ],
)
def test_ablations(config: TutorConfig, names: set[str], teacher: Teacher, generator: torch.Generator) -> None:
    found, _ = terms(config, teacher, generator)
    assert found.keys() == names == Guided(config, teacher).weights.keys()
    assert all(term.isfinite() and term > 0 for term in found.values())


def test_layerwise_kl_is_another_loss(teacher: Teacher) -> None:
    both = [terms(TutorConfig(guidance=g), teacher, torch.Generator().manual_seed(1))[0] for g in ("attention", "layerwise-kl")]
    assert both[0]["kl"] == both[1]["kl"] and not torch.isclose(both[0]["attention"], both[1]["attention"])


def test_one_channel_is_enough(generator: torch.Generator) -> None:
    a = torch.randn(2, 5, 3, 3, generator=generator)
    torch.testing.assert_close(attention_map(one_channel(a)), attention_map(a))


def test_tutors_that_are_not_searched() -> None:
    """Fixed ones start at the first layer and end at the last, in order; random ones depend on the seed only."""
    fixed = chosen_tutors("fixed", 28, 20, seed=0)
    assert (fixed[0], fixed[-1]) == (0, 19) and fixed == sorted(fixed) and set(fixed) == set(range(20))
    assert chosen_tutors("fixed", 3, 5, 0) == [0, 2, 4] and chosen_tutors("fixed", 1, 5, 0) == [0]
    drawn = chosen_tutors("random", 200, 5, seed=0)
    assert set(drawn) == set(range(5)) and drawn == chosen_tutors("random", 200, 5, 0) != chosen_tutors("random", 200, 5, 1)
    assert by_name([1, 0], {"a": 0, "b": 0}, {"x": 0, "y": 0}) == {"a": "y", "b": "x"}


def test_relative_change_by_hand() -> None:
    clean = torch.tensor([[3.0, 4.0], [0.0, 1.0]]).view(2, 1, 1, 2)
    attacked = torch.tensor([[3.0, 3.0], [0.0, 1.0]]).view(2, 1, 1, 2)
    torch.testing.assert_close(relative_change(clean, attacked), torch.tensor([0.2, 0.0]))


def test_robustness_scores(teacher: Teacher, generator: torch.Generator) -> None:
    """No attack moves nothing; a stronger one moves more; no layer without a bias is moved by more than its gain allows."""
    images = ImageSet(torch.rand(6, 1, 8, 8, generator=generator), torch.arange(6) % 4)
    compute, scores = resolve("cpu", "fp32"), {}
    for eps in (0.0, 0.02, 0.1):
        attack = AttackConfig(eps=Pixels(eps), step_size=Pixels(max(eps, 0.01)), steps=2)
        with frozen(teacher.network, "normal"):
            scores[eps] = robustness_scores(teacher, images, attack, compute, seed=0)
    assert scores[0.0] == {"first": 0, "second": 0}
    assert all(0 < scores[0.02][name] < scores[0.1][name] < 5 for name in ("first", "second"))


def test_bad_configurations() -> None:
    for bad, message in (
        ({"kl": -1}, "tutor.kl is -1"),
        ({"logit_share": 1}, "tutor.logit_share is 1"),
        ({"logit_lr": 0}, "tutor.logit_lr is 0"),
        ({"cac_threshold": 1}, "tutor.cac_threshold is 1"),
        ({"cac_temperature": 0}, "tutor.cac_temperature is 0"),
        ({"map_size": 0}, "tutor.map_size is 0"),
        ({"layers": []}, "tutor.layers is empty"),
    ):
        with pytest.raises(ValueError, match=message):
            TutorConfig(**bad)
