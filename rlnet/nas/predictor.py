"""Predicts clean and adversarial accuracy from genes (ProARD, Mousavi et al. 2025, Sec. 4.5), and says how well.

A multilayer perceptron on `Space.encode`, trained on networks that were judged, tested on others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from scipy.stats import kendalltau
from torch import Tensor, nn

from rlnet.nas.nsga2_config import PredictorConfig

HIDDEN, LAYERS = 400, 6
ACCURACIES = ("clean", "adversarial")


class Predictor(nn.Module):
    r"""Encodings (N, D) -> accuracies (N, 2), clean and adversarial.

        accuracy = mean + spread * MLP(encoding),   six linear layers of 400 with a ReLU each, and one to 2 without bias

    mean, spread: (2,), of the accuracies it is trained on; ProARD's code has 0 and 1. A few dozen networks are not enough for
    the perceptron to learn the mean too.
    """

    def __init__(self, size: int, accuracies: Tensor):
        super().__init__()
        sizes = [size, *[HIDDEN] * LAYERS]
        hidden = [part for i in range(LAYERS) for part in (nn.Linear(sizes[i], sizes[i + 1]), nn.ReLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(HIDDEN, accuracies.shape[1], bias=False))
        self.register_buffer("mean", accuracies.mean(dim=0))
        self.register_buffer("spread", accuracies.std(dim=0).clamp_min(1e-6))

    def forward(self, encodings: Tensor) -> Tensor:
        return self.mean + self.spread * self.layers(encodings)


@dataclass(frozen=True)
class Trained:
    """held_out: the networks that the predictor was not trained on. judged, predicted: their accuracies (n, 2)."""

    predictor: Predictor
    held_out: tuple[int, ...]
    judged: Tensor
    predicted: Tensor

    def errors(self) -> dict[str, Any]:
        """On the held-out networks. rmse_of_mean: of a prediction that is always the mean of the networks trained on;
        kendall_tau: rank correlation, None where all are equal."""
        mean = self.predictor.mean.expand_as(self.judged)
        return {
            "networks": len(self.held_out),
            "rmse": dict(zip(ACCURACIES, rmse(self.predicted, self.judged), strict=True)),
            "rmse_of_mean": dict(zip(ACCURACIES, rmse(mean, self.judged), strict=True)),
            "kendall_tau": dict(zip(ACCURACIES, map(tau, self.predicted.T, self.judged.T), strict=True)),
        }


def train(
    encodings: Sequence[Sequence[float]], accuracies: Sequence[Sequence[float]], config: PredictorConfig, seed: int
) -> Trained:
    """The predictor of networks that were judged: encodings (N, D), accuracies (N, 2). The seed decides all that is random.

    Minimises the mean over both accuracies of (predicted - judged)^2 / spread^2 by Adam; ProARD's code the sum without spread.
    Raises ValueError where there are too few networks to train on some and test on others.
    """
    x, y = torch.tensor(encodings), torch.tensor(accuracies)
    trained_on = len(x) - config.tested(len(x))
    if not 2 <= trained_on <= len(x) - 2:
        raise ValueError(f"the space has {len(x)} networks, too few for a predictor; use --method evolution")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        order = torch.randperm(len(x))
        mine, others = order[:trained_on], order[trained_on:]
        predictor = Predictor(x.shape[1], y[mine])
        _fit(predictor, x[mine], y[mine], config)
    with torch.no_grad():
        return Trained(predictor, tuple(others.tolist()), y[others], predictor(x[others]))


def _fit(predictor: Predictor, x: Tensor, y: Tensor, config: PredictorConfig) -> None:
    optimizer = torch.optim.Adam(predictor.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    for _ in range(config.epochs):
        for places in torch.randperm(len(x)).split(config.batch_size):
            error = (predictor(x[places]) - y[places]) / predictor.spread
            optimizer.zero_grad(set_to_none=True)
            error.square().mean().backward()
            optimizer.step()
    predictor.eval().requires_grad_(False)


def rmse(predicted: Tensor, judged: Tensor) -> list[float]:
    """Root mean square errors of each column of (n, 2)."""
    return (predicted - judged).square().mean(dim=0).sqrt().tolist()


def tau(predicted: Tensor, judged: Tensor) -> float | None:
    """Kendall's rank correlation (tau-b) of (n,) and (n,); None where all of one are equal."""
    found = float(kendalltau(predicted.numpy(), judged.numpy()).statistic)
    return None if found != found else found
