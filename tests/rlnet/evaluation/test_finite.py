"""Outputs that no accuracy can be told of are errors that say where: which mode, which attack, which images."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rlnet.accuracy import hits
from rlnet.attacks import AttackConfig
from rlnet.data import ImageSet
from rlnet.evaluation import evaluate
from rlnet.evaluation.config import EvaluationConfig, FullConfig
from rlnet.evaluation.finite import finite, logits_of
from rlnet.evaluation.paper import paper_accuracies
from rlnet.models import ModeNetwork
from rlnet.training.device import Compute

CPU = Compute(torch.device("cpu"), "fp32")
QUICK = FullConfig(attacks=("fgsm",), corruptions=("none",), curve=())


@pytest.fixture
def images(generator: torch.Generator) -> ImageSet:
    return ImageSet(torch.rand(20, 1, 8, 8, generator=generator), torch.arange(20) % 5)


def spoil(network: ModeNetwork, value: float, path: str | None = None) -> ModeNetwork:
    """Puts a value among the statistics of one batch-norm path, or among the weights that all paths share."""
    with torch.no_grad():
        if path is None:
            network.fc.bias[1] = value
        else:
            network.conv1.bn.paths[path].bias[0] = value
    return network


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_network_that_is_not_finite_has_no_accuracy(
    tiny_network: Callable[..., ModeNetwork], images: ImageSet, value: float
) -> None:
    network = spoil(tiny_network(), value)
    with pytest.raises(FloatingPointError, match=rf"mode normal: .* not finite for 20 of 20 images \({value} for number 0\)"):
        evaluate(network, images, QUICK)
    with pytest.raises(FloatingPointError, match=r"mode adversarial, images under the training attack: .*not finite"):
        hits(network, images, "adversarial", CPU, attack=AttackConfig(steps=1))
    config = EvaluationConfig(attacks=("fgsm",), corruptions=())
    with pytest.raises(FloatingPointError, match=r"student test: .*mode normal"):
        paper_accuracies(network, images, config, AttackConfig(), CPU.device, 0, "student test")


def test_the_path_is_named(tiny_network: Callable[..., ModeNetwork], images: ImageSet) -> None:
    network = spoil(tiny_network(), float("nan"), "adversarial")
    assert evaluate(network, images, FullConfig(mode="normal", attacks=("fgsm",), corruptions=("none",), curve=()))
    with pytest.raises(FloatingPointError, match=r"mode adversarial: .*not finite"):
        evaluate(network, images, QUICK)


class FiniteOnly(nn.Module):
    """Logits that are finite for images as they are, and not for brighter ones."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=(1, 2, 3), keepdim=False)
        return torch.stack([mean, (0.5 - x.amax(dim=(1, 2, 3))).log()], dim=1)


def test_the_attack_and_the_images_are_named() -> None:
    """Clean images stay below 0.5, attacked ones do not."""
    dark = ImageSet(torch.full((6, 1, 8, 8), 0.45), torch.zeros(6, dtype=torch.int64))
    config = FullConfig(attacks=("pgd-3",), corruptions=("none",), curve=(), eps="64/255")
    with pytest.raises(
        FloatingPointError, match=r"normal under pgd-3 at 64/255, test images 0 to 5, mode normal: .*not finite"
    ):
        evaluate(FiniteOnly(), dark, config)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ((torch.zeros(2, 5), torch.zeros(2, 8, 4, 4)), "a tuple of a tensor (2, 5), a tensor (2, 8, 4, 4)"),
        ([torch.zeros(2, 5), None], "a list of a tensor (2, 5), NoneType"),
        ({"logits": torch.zeros(2, 5)}, "a dict;"),
        (None, "a NoneType;"),
    ],
)
def test_what_is_no_tensor_is_told(output: object, words: str) -> None:
    with pytest.raises(ValueError, match="wrap it in a module that returns them alone") as caught:
        logits_of(output)
    assert f"the network returns {words}" in str(caught.value)


def test_a_network_that_returns_more_than_logits_is_refused(images: ImageSet) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x.flatten(1)[:, :5], x

    with pytest.raises(ValueError, match=r"a tuple of a tensor \(20, 5\), a tensor \(20, 1, 8, 8\); logits"):
        evaluate(Two(), images, QUICK)


def test_finite_logits_pass_as_they_are(generator: torch.Generator) -> None:
    logits = torch.randn(4, 5, generator=generator)
    assert finite(logits, "anywhere") is logits
