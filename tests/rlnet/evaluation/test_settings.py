"""What a user can do wrong is refused in words that say what it was and what to do."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rlnet.attacks import named
from rlnet.calibrate import CalibrateConfig
from rlnet.data import ImageSet
from rlnet.data.corruptions import CORRUPTIONS, EXTRA
from rlnet.evaluation.config import EvaluationConfig, FullConfig, corruption_names
from rlnet.evaluation.full import evaluate
from rlnet.evaluation.plan import crafting
from rlnet.lists import Names
from rlnet.models import ModeNetwork, Switch

Settings = Callable[..., FullConfig]
EMPTY = ImageSet(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"attacks": "pgd20"}, r"there is no attack 'pgd20', did you mean pgd-20\?; known: fgsm"),
        ({"attacks": "fgsm,square+square"}, "has the stage 'square' twice; leave one out"),
        ({"attacks": "fgsm,fgsm"}, "names something twice; name each once"),
        ({"corruptions": "fogg"}, r"there is no corruption 'fogg', did you mean fog\?; known: benchmark, extra, all, none"),
        ({"corruptions": "zzz"}, "there is no corruption 'zzz'; known: benchmark"),
        ({"limit": 0}, "limit is 0; give at least 1 image, or null for all"),
        ({"attack_limit": -5}, "attack_limit is -5; give at least 1 image"),
        ({"corruption_limit": 0}, "corruption_limit is 0; give at least 1 image"),
    ],
)
@pytest.mark.parametrize("kind", [EvaluationConfig, FullConfig])
def test_settings_of_every_evaluation(kind: type, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind(**settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"eps": "8"}, r"eps is a distance in \[0, 1\] pixels, for instance 8/255; not 8"),
        ({"eps": "-1/255"}, "for instance 8/255; not -1/255"),
        ({"eps": "eight"}, "'eight' is not a distance"),
        ({"curve": "8/255,2"}, r"lies in \[0, 1\], like 8/255"),
        ({"adaptive": "square"}, "adaptive is 'square'; it must follow the gradient's sign, for instance pgd-50"),
        ({"adaptive": "apgd-ce"}, "adaptive is 'apgd-ce'; it must follow"),
        ({"adaptive": "pgd-5+fgsm"}, r"adaptive is 'pgd-5\+fgsm'; it must follow"),
        ({"adaptive": "pgd50"}, "there is no attack 'pgd50'"),
        ({"clean_loss": -0.1}, "clean_loss is -0.1; it is a fraction of the accuracy, for instance 0.01"),
        ({"clean_loss": 2.0}, "clean_loss is 2.0"),
        ({"clean_loss": float("nan")}, "clean_loss is nan"),
        ({"score": "certainty"}, "score is 'certainty'; choose one of agreement, normal, adversarial"),
        ({"search": "fp16"}, "search is 'fp16'; choose one of fp32, bf16"),
        ({"mode": "automatic"}, "mode is 'automatic'; choose one of both, normal, adversarial, auto"),
    ],
)
def test_settings_of_a_full_evaluation(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FullConfig(**settings)


def test_settings_of_a_switch() -> None:
    with pytest.raises(ValueError, match="a switch's score is agreement, normal, adversarial; not 'certainty'"):
        Switch("certainty", 0.5)
    for threshold in (-0.1, float("nan")):
        with pytest.raises(ValueError, match=f"a switch's threshold is a confidence, 0 or more; not {threshold}"):
            Switch("normal", threshold)
    with pytest.raises(ValueError, match=r"clean_loss is 1.5; it is a fraction"):
        CalibrateConfig(clean_loss=1.5)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("benchmark", CORRUPTIONS),
        ("extra", EXTRA),
        ("all", CORRUPTIONS + EXTRA),
        ("none", ()),
        ("snow,shot_noise", ("shot_noise", "snow")),
        ("benchmark,fog,spatter", (*CORRUPTIONS, "spatter")),
    ],
)
def test_corruptions_that_words_stand_for(words: str, names: tuple[str, ...]) -> None:
    assert corruption_names(Names(words)) == names


def test_the_least_limit_holds() -> None:
    config = EvaluationConfig(limit=50, attack_limit=20, corruption_limit=70)
    assert (config.limit_of("attack"), config.limit_of("corruption")) == (20, 50)
    assert EvaluationConfig().limit_of("attack") is None and EvaluationConfig(attack_limit=3).limit_of("corruption") is None


def test_attacks_that_make_images_for_others_take_all_steps() -> None:
    found = crafting(Names("fgsm,pgd-20,apgd-ce,cw,pgd-2+square,mi-fgsm"), 0.1)
    assert list(found) == ["fgsm", "pgd-20", "cw", "mi-fgsm"]
    assert found["pgd-20"] == named("pgd-20", 0.1, stop_early=False)[0][1]


def refused(words: str, network: nn.Module, images: ImageSet, config: FullConfig, **more: Any) -> None:
    with pytest.raises(ValueError, match=words):
        evaluate(network, images, config, **more)


def test_auto_needs_two_paths_and_held_out_images(
    trained: Any, tiny_network: Callable[..., ModeNetwork], quick: Settings
) -> None:
    config = quick(mode="auto")
    one_path = "the network has one path, so there is nothing to switch between; leave --mode auto out"
    for network in (tiny_network(kind="single"), nn.Sequential(nn.Flatten(), nn.Linear(192, 5))):
        refused(one_path, network, trained.test, config, held_out=trained.held_out)
    refused("mode auto is calibrated on held-out images; give some", trained.network, trained.test, config)
    refused("no held-out images to calibrate the switch on", trained.network, trained.test, config, held_out=EMPTY)


@pytest.mark.parametrize(("low", "high"), [(0, 5), (-1, 4), (0, 700)])
def test_labels_outside_of_the_classes(low: int, high: int, trained: Any, quick: Settings) -> None:
    labels = trained.test.labels.clone()
    labels[3], labels[50] = low, high
    words = f"labels go from {low} to {high}, but the network tells 5 classes apart"
    refused(words, trained.network, ImageSet(trained.test.images, labels), quick())


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8), (3, 8)])
def test_images_of_another_shape(shape: tuple[int, ...], trained: Any, quick: Settings) -> None:
    images = ImageSet(torch.zeros(4, *shape, dtype=torch.uint8), torch.arange(4))
    refused(re.escape(f"the network cannot take images of shape {shape}"), trained.network, images, quick())


@pytest.mark.parametrize("value", [-0.01, 1.01, 255.0, float("nan")])
def test_images_outside_of_0_to_1(value: float, trained: Any, quick: Settings) -> None:
    images = trained.test.images.float() / 255
    images[5, 0, 0, 0] = value
    refused(r"images lie in \[.*\]; scale them to \[0, 1\]", trained.network, ImageSet(images, trained.test.labels), quick())


def test_no_images(trained: Any, quick: Settings) -> None:
    refused("there are no images to evaluate on; give at least 1", trained.network, EMPTY, quick())


@pytest.mark.parametrize("returned", [lambda z: z[:, 0], lambda z: z[:-1], lambda z: z[..., None]])
def test_a_network_that_returns_no_logits(returned: Callable[[Tensor], Tensor], trained: Any, quick: Settings) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return returned(x.flatten(1)[:, :5])

    refused(r"the network returns \(.*\) for 32 images; logits \(B, K\) are needed", Odd(), trained.test, quick())


def test_a_refusal_leaves_the_network_as_it_was(trained: Any, quick: Settings) -> None:
    network = copy.deepcopy(trained.network).train()
    refused("labels go from", network, ImageSet(trained.test.images, trained.test.labels + 1), quick())
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
