"""NSGA-II (Deb et al. 2002, doi:10.1109/4235.996017) on predicted clean and adversarial error, by pymoo, within the limits.

ProARD's search (Mousavi et al. 2025, Sec. 4.5): uniform crossover, each gene drawn anew with a probability, a random start.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.operators.crossover.ux import UniformCrossover

from rlnet.nas.limits import Limits
from rlnet.nas.nsga2_config import Nsga2Config
from rlnet.nas.search import repaired
from rlnet.nas.space import Genes, Space
from rlnet.progress import Bar

Predict = Callable[[Sequence[Genes]], np.ndarray]
"""Rows of genes -> accuracies (N, 2), clean and adversarial."""


@dataclass(frozen=True)
class Candidate:
    """A network as it is predicted. front: 0 if no other one of the last generation beats it in both accuracies."""

    genes: Genes
    clean: float
    adversarial: float
    front: int


def nsga2(space: Space, limits: Limits, config: Nsga2Config, predict: Predict, seed: int, progress: Bar) -> list[Candidate]:
    """The last generation, front by front, in each the highest mean accuracy first; all of them keep the limits.

    1. The first generation is drawn evenly and repaired. 2. Survivors are those that break no limit, then by front, then by
    crowding. 3. Parents by binary tournament; children are crossed and mutated; what was there already is left out.
    """
    rng = Random(f"{seed} nsga2")
    start = [repaired(space, limits, space.sample(rng), rng) for _ in range(config.population)]
    algorithm = NSGA2(
        pop_size=config.population,
        sampling=np.array(start),
        crossover=UniformCrossover(prob=1.0),
        mutation=_Redraw(config.mutation),
        repair=_Canonical(space),
        eliminate_duplicates=True,
    )
    algorithm.setup(_Architectures(space, limits, predict), termination=("n_gen", config.generations), seed=seed, verbose=False)
    while algorithm.has_next():
        algorithm.next()
        progress.advance()
    kept = [one for one in algorithm.pop if one.feas]
    found = [Candidate(tuple(map(int, one.X)), *(1 - one.F).tolist(), int(one.get("rank"))) for one in kept]
    return sorted(found, key=lambda one: (one.front, -one.clean - one.adversarial, one.genes))


class _Architectures(Problem):
    """Minimises both errors; each limit is a constraint, and so is to have a ReLU at all."""

    def __init__(self, space: Space, limits: Limits, predict: Predict):
        super().__init__(
            n_var=len(space.choices),
            n_obj=2,
            n_ieq_constr=1 + len(limits.given),
            xl=0,
            xu=np.array(space.choices) - 1,
            vtype=int,
        )
        self.space, self.limits, self.predict = space, limits, predict

    def _evaluate(self, x: np.ndarray, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        rows = [tuple(map(int, row)) for row in x]
        specs = [self.space.specification(genes) for genes in rows]
        out["F"] = 1 - self.predict(rows)
        out["G"] = np.array([[1.0 - self.limits.cost(spec).relus, *self.limits.excess(spec).values()] for spec in specs])


class _Redraw(Mutation):
    """Draws each gene anew with a probability."""

    def __init__(self, probability: float):
        super().__init__()
        self.probability = probability

    def _do(self, problem: Problem, x: np.ndarray, *args: Any, random_state: Any = None, **kwargs: Any) -> np.ndarray:
        drawn = random_state.integers(problem.xl, problem.xu + 1, size=x.shape)
        return np.where(random_state.random(x.shape) < self.probability, drawn, x)


class _Canonical(Repair):
    """Writes each network as its canonical genes, so that one that is there already is seen to be."""

    def __init__(self, space: Space):
        super().__init__()
        self.space = space

    def _do(self, problem: Problem, x: np.ndarray, **kwargs: Any) -> np.ndarray:
        return np.array([self.space.canonical(tuple(map(int, row))) for row in x])
