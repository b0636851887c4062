"""The predictor of accuracies: it learns what there is to learn, and says when there is nothing."""

from random import Random

import numpy as np
import pytest
import torch

from rlnet.nas.nsga2_config import PredictorConfig
from rlnet.nas.predicted import predict_with
from rlnet.nas.predictor import Trained, tau, train
from rlnet.nas.proard import ResNet50Space
from rlnet.nas.space import Genes

SPACE = ResNet50Space(width=8, stem_stride=2)
CONFIG = PredictorConfig(networks=150, epochs=60, batch_size=64)


def known(genes: Genes) -> list[float]:
    """Clean accuracy grows with depth and width, the adversarial one with width alone."""
    deep, wide = sum(genes[1:5]) / 8, sum(genes[23:]) / 12
    return [0.6 + 0.2 * deep + 0.1 * wide, 0.3 + 0.2 * wide]


def trained(accuracies: list[list[float]], seed: int = 0) -> Trained:
    return train([SPACE.encode(genes) for genes in ROWS], accuracies, CONFIG, seed)


ROWS = [SPACE.sample(rng) for rng in [Random(0)] for _ in range(CONFIG.networks)]
KNOWN = [known(genes) for genes in ROWS]


def test_it_learns_a_function_and_no_chance() -> None:
    """A fifth was held out; of shuffled targets there is nothing to know, and its errors say so."""
    found = trained(KNOWN)
    errors = found.errors()
    assert errors["networks"] == len(set(found.held_out)) == 30
    shuffled = trained(Random(1).sample(KNOWN, len(KNOWN))).errors()
    for name in ("clean", "adversarial"):
        assert errors["rmse"][name] < errors["rmse_of_mean"][name] / 2 and errors["kendall_tau"][name] > 0.7
        assert shuffled["rmse"][name] > 0.9 * shuffled["rmse_of_mean"][name] and abs(shuffled["kendall_tau"][name]) < 0.4


def test_what_is_held_out_is_not_learnt_from() -> None:
    """Other targets of the held-out networks change no prediction."""
    first = trained(KNOWN)
    changed = [[0.0, 0.0] if i in first.held_out else pair for i, pair in enumerate(KNOWN)]
    second = trained(changed)
    assert torch.equal(first.predicted, second.predicted) and not second.judged.any()


def test_the_seed_decides() -> None:
    """Whatever the global generator did before; predictions are those of the perceptron, in the order of the genes."""
    first, random_state = trained(KNOWN), torch.get_rng_state()
    torch.rand(3)
    assert torch.equal(first.predicted, trained(KNOWN).predicted)
    assert trained(KNOWN, seed=1).held_out != first.held_out
    torch.set_rng_state(random_state)
    predicted = predict_with(first.predictor, SPACE)([ROWS[i] for i in first.held_out])
    np.testing.assert_allclose(predicted, first.predicted.numpy(), atol=1e-6)


def test_errors_by_hand() -> None:
    found = trained(KNOWN)
    judged, predicted = torch.tensor([[0.5, 0.1], [0.7, 0.1]]), torch.tensor([[0.6, 0.2], [0.5, 0.1]])
    errors = Trained(found.predictor, (0, 1), judged, predicted).errors()
    assert errors["rmse"]["clean"] == pytest.approx(((0.01 + 0.04) / 2) ** 0.5)
    assert errors["rmse"]["adversarial"] == pytest.approx(0.005**0.5)
    assert errors["kendall_tau"] == {"clean": -1.0, "adversarial": None}
    ranks = torch.tensor([0.1, 0.2, 0.3, 0.4])
    assert tau(ranks, ranks[[0, 1, 3, 2]]) == pytest.approx((5 - 1) / 6)


def test_too_few_networks() -> None:
    with pytest.raises(ValueError, match=r"the space has 3 networks, too few"):
        train([SPACE.encode(genes) for genes in ROWS[:3]], KNOWN[:3], CONFIG, 0)
    with pytest.raises(ValueError, match=r"predictor.held_out is 0.01 of 100 networks"):
        PredictorConfig(networks=100, held_out=0.01)
