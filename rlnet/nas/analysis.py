"""What distinguishes robust cells from others: a linear classifier of their bits (RobNet, Guo et al. 2020, Sec. 3.3).

The networks of the highest and of the lowest adversarial accuracy are two classes; a weight of the classifier says what the
identity or the convolution of one edge does for being among the robust. The paper gives its accuracy on the networks that it
was trained on (98.7% of 600); of the few networks of a small search that says nothing, so here it is also cross-validated.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.model_selection import StratifiedKFold, cross_val_score

from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import EDGES

SHARE = 0.3  # of the networks in each class: the first and the last 300 of the paper's 1,000
LEAST = 20  # networks that an analysis needs
FOLDS = 5
OPERATIONS = ("identity", "convolution")


@dataclass(frozen=True)
class Analysis:
    """n: networks that were judged. good, bad: which of them are the two classes, (m,). weights: of each operation and edge,
    (2, 14). trained: the accuracy on the classes themselves; validated: on the held-out part of each fold. density: Spearman's
    rank correlation of density and adversarial accuracy over all n, and its p-value."""

    n: int
    good: NDArray
    bad: NDArray
    weights: NDArray
    trained: float
    validated: tuple[float, ...]
    density: tuple[float, float]

    def plain(self) -> dict[str, Any]:
        """As a card has it."""
        return {
            "networks": self.n,
            "top": len(self.good),
            "bottom": len(self.bad),
            "training_accuracy": self.trained,
            "cross_validated_accuracy": {
                "mean": float(np.mean(self.validated)),
                "std": float(np.std(self.validated)),
                "folds": len(self.validated),
            },
            "weights": {name: self.weights[i].tolist() for i, name in enumerate(OPERATIONS)},
            "density_rank_correlation": {"rho": self.density[0], "p": self.density[1]},
        }


def encoding(spec: CellSpec) -> NDArray:
    """The 28 bits of a cell, identities first, edges that make no difference as empty; of several cells, their mean: (28,)."""
    bits = np.array([[[int(bit) for bit in code] for code in codes] for codes in spec.live])  # cells, edges, operations
    return bits.mean(axis=0).T.ravel()


def is_possible(accuracies: NDArray) -> bool:
    """Whether there are enough networks, and two classes of them: each of the top is better than all of the bottom."""
    if len(accuracies) < LEAST:
        return False
    good, bad = _classes(accuracies)
    return accuracies[good].min() > accuracies[bad].max()


def _classes(accuracies: NDArray) -> tuple[NDArray, NDArray]:
    order, m = np.argsort(-accuracies, kind="stable"), round(SHARE * len(accuracies))
    return order[:m], order[-m:]


def analyse(encodings: NDArray, accuracies: NDArray, seed: int) -> Analysis:
    """The classifier of encodings (n, 28) of networks by their adversarial accuracies (n,).

    Among equals, the first ones are the better. Raises ValueError where `is_possible` is false.
    """
    n = len(accuracies)
    if not is_possible(accuracies):
        raise ValueError(f"{n} networks are fewer than {LEAST}, or as robust at the bottom as at the top")
    good, bad = _classes(accuracies)
    m = len(good)
    x, y = encodings[np.concatenate([good, bad])], np.repeat([1, 0], m)
    folds = StratifiedKFold(min(FOLDS, m), shuffle=True, random_state=seed)
    validated = cross_val_score(LogisticRegression(max_iter=1000), x, y, cv=folds)
    classifier = LogisticRegression(max_iter=1000).fit(x, y)
    weights = classifier.coef_.reshape(len(OPERATIONS), EDGES)
    return Analysis(
        n,
        good,
        bad,
        weights,
        float(classifier.score(x, y)),
        tuple(map(float, validated)),
        rank_correlation(encodings.mean(axis=1), accuracies),
    )


def embedded(encodings: NDArray, seed: int) -> NDArray:
    """The t-SNE of encodings (n, d): places in a plane, (n, 2)."""
    perplexity = min(30, (len(encodings) - 1) / 3)
    return TSNE(perplexity=perplexity, init="random", random_state=seed).fit_transform(encodings.astype(np.float32))


def rank_correlation(one: NDArray, other: NDArray) -> tuple[float, float]:
    """Spearman's rank correlation and its p-value; none, 0 and 1, where either does not vary."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0, 1.0
    found = spearmanr(one, other)
    return float(found.statistic), float(found.pvalue)
