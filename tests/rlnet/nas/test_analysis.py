"""What robust cells have in common: a planted rule is recovered, shuffled labels have none; encodings by hand."""

import numpy as np
import pytest

from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import EDGES
from rlnet.models.specifications.robnet import LARGE, repeated
from rlnet.nas.analysis import analyse, embedded, encoding, is_possible
from rlnet.nas.sample_pictures import analysis_figure

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, size=(200, 28)).astype(float)


def test_an_encoding_by_hand() -> None:
    found = encoding(repeated(LARGE, 2, 3)).reshape(2, EDGES)
    assert found[0].tolist() == [int(code[0]) for code in LARGE] and found[1].tolist() == [int(code[1]) for code in LARGE]
    other = ("01", *LARGE[1:])
    assert encoding(CellSpec((LARGE, other), 2))[0] == 0.5
    dead = tuple("11" if edge == 0 else "00" for edge in range(EDGES))
    assert encoding(CellSpec((LARGE, ("00",) * EDGES, dead), 2)).sum() == pytest.approx((22 + 2) / 3)


def test_a_planted_rule_is_recovered() -> None:
    """Two bits help and one harms, the other 25 are noise."""
    accuracies = BITS[:, 3] + BITS[:, 20] - BITS[:, 9] + 0.1 * RNG.standard_normal(200)
    found = analyse(BITS, accuracies, seed=0)
    weights = found.weights.ravel()
    assert set(np.argsort(-np.abs(weights))[:3]) == {3, 9, 20}
    assert weights[3] > 0 and weights[20] > 0 and weights[9] < 0
    assert found.n == 200 and len(found.good) == len(found.bad) == 60
    assert min(found.validated) > 0.8 and found.trained > 0.95


def test_shuffled_labels_have_no_rule() -> None:
    """The classifier's accuracy on what it has seen says otherwise, which is why it is not the one to go by."""
    found = analyse(BITS, RNG.standard_normal(200), seed=0)
    assert abs(np.mean(found.validated) - 0.5) < 0.2 < found.trained - 0.5
    assert abs(found.density[0]) < 0.25


def test_density_helps() -> None:
    found = analyse(BITS, BITS.mean(axis=1), seed=0)
    assert found.density[0] == pytest.approx(1) and found.plain()["density_rank_correlation"]["p"] < 1e-6
    assert (found.weights > 0).mean() > 0.9


@pytest.mark.parametrize(
    ("accuracies", "possible"),
    [(np.arange(20.0), True), (np.arange(19.0), False), (np.zeros(50), False), (np.repeat([0.0, 1.0], [15, 5]), False)],
)
def test_two_classes_are_needed(accuracies: np.ndarray, possible: bool) -> None:
    assert is_possible(accuracies) == possible
    if not possible:
        with pytest.raises(ValueError, match="fewer than 20, or as robust at the bottom as at the top"):
            analyse(BITS[: len(accuracies)], accuracies, seed=0)


def test_the_picture() -> None:
    """All networks at the left, 14 edges of two operations at the right."""
    bits, accuracies = BITS[:24], np.linspace(0.2, 0.6, 24)
    places = embedded(bits, seed=0)
    assert places.shape == (24, 2) and np.array_equal(places, embedded(bits, seed=0)) and np.isfinite(places).all()
    figure = analysis_figure(analyse(bits, accuracies, seed=0), places, accuracies)
    left, right = figure.axes[0], figure.axes[1]
    assert sum(len(points.get_offsets()) for points in left.collections) == 24
    assert len(right.patches) == 2 * EDGES
