"""NSGA-II on made-up accuracies: limits are kept, the optimum is found, the seed decides."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from rlnet.nas.limits import Limits
from rlnet.nas.nsga2 import Candidate, nsga2
from rlnet.nas.nsga2_config import Nsga2Config
from rlnet.nas.proard import ResNet50Space
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.robnet import RobNetSpace
from rlnet.nas.space import Genes, Space
from rlnet.progress import bar

DIGITS = (3, 32, 32)
SMALL = InvertedResidualSpace((2, 2, 1), ((16, 12), (8, 6, 5), (10, 7)))  # 72 networks
CONFIG = Nsga2Config(population=12, generations=6)


def run(space: Space, limits: Limits, predict, config: Nsga2Config = CONFIG, seed: int = 0) -> list[Candidate]:
    with bar("nsga2", config.generations) as progress:
        return nsga2(space, limits, config, predict, seed, progress)


def made_up(limits: Limits, space: Space = SMALL):
    """Clean accuracy grows with the ReLUs, and with the multiply-accumulates the adversarial one falls."""

    def predict(rows: Sequence[Genes]) -> np.ndarray:
        costs = [limits.cost(space.specification(genes)) for genes in rows]
        return np.array([[cost.relus / 300_000, 0.5 - cost.macs / 10**8] for cost in costs])

    return predict


def test_it_finds_the_optimum() -> None:
    """Among all 72 networks and within the limit: nobody beats the first front, and the first is the best of all."""
    limits = Limits(DIGITS, 10, relus=140_000)
    predict = made_up(limits)
    rows = [genes for genes in itertools.product(*map(range, SMALL.choices)) if limits.allow(SMALL.specification(genes))]
    assert 10 < len(rows) < 72
    accuracies = predict(rows)
    found = run(SMALL, limits, predict)
    assert found[0].clean + found[0].adversarial == pytest.approx(accuracies.sum(axis=1).max())
    front = [one for one in found if one.front == 0]
    for one in front:
        better = (accuracies > np.array([one.clean, one.adversarial]) + 1e-12).all(axis=1)
        assert not better.any()
    assert len(front) > 2 and len({one.genes for one in found}) == len(found)


@pytest.mark.parametrize("space", [SMALL, ResNet50Space(4, 2), RobNetSpace(3, 2, 2)], ids=["rnas-cl", "resnet50", "robnet"])
def test_limits_are_never_broken(space: Space) -> None:
    """Two limits at once, just above the smallest network; what is found is canonical and has ReLUs."""
    least, most = (Limits(DIGITS, 10).cost(spec) for spec in (space.smallest, space.largest))
    limits = Limits(DIGITS, 10, relus=(9 * least.relus + most.relus) // 10, macs=(4 * least.macs + most.macs) // 5)
    found = run(space, limits, made_up(limits, space), Nsga2Config(population=6, generations=3, finalists=2))
    assert found
    for one in found:
        spec = space.specification(one.genes)
        assert limits.allow(spec) and limits.cost(spec).relus > 0
        assert space.canonical(one.genes) == one.genes


def test_the_seed_decides() -> None:
    limits = Limits(DIGITS, 10, relus=140_000)
    config = Nsga2Config(population=6, generations=2, finalists=2)
    first, again, other = (run(SMALL, limits, made_up(limits), config, seed) for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"population": 3}, "nsga2.population is 3"),
        ({"mutation": 0.0}, "nsga2.mutation is 0.0"),
        ({"finalists": 30}, "nsga2.finalists is 30 of a population of 24"),
    ],
)
def test_bad_input(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Nsga2Config(**options)
