"""An evolutionary search among the networks that keep the limits, after Once-for-All's (Cai et al. 2020, Sec. 3).

Fitness is the mean of clean and adversarial validation accuracy, one number in place of the two objectives of ProARD's NSGA-II.
Limits are never broken: what does not keep them is repaired before it is judged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from rlnet.models.specifications.specification import Specification
from rlnet.nas.config import EvolutionConfig
from rlnet.nas.cost import Cost
from rlnet.nas.limits import Limits
from rlnet.nas.space import Genes, Space
from rlnet.progress import Bar

TRIES = 100  # draws in a row that may be known already before the search ends for want of new networks


@dataclass(frozen=True)
class Judged:
    """A network that was judged. clean, adversarial: accuracies on validation images, fractions of 1."""

    genes: Genes
    spec: Specification
    cost: Cost
    clean: float
    adversarial: float
    generation: int

    @property
    def score(self) -> float:
        """What the search maximises."""
        return (self.clean + self.adversarial) / 2


def evolve(
    space: Space,
    limits: Limits,
    config: EvolutionConfig,
    judge: Callable[[Specification], dict[str, float]],
    seed: int,
    progress: Bar,
) -> list[Judged]:
    """All that was judged, the best first; among equals the one of fewer ReLUs. Draws depend on the seed and the outcomes only.

    1. The first generation is drawn evenly. 2. The best of all so far are the parents. 3. Half of a generation crosses two
    parents, the other half mutates one. 4. What breaks a limit is repaired; what was judged before is drawn again.
    """
    judged: dict[Genes, Judged] = {}
    for generation in range(config.generations):
        rng = Random(f"{seed} generation {generation}")
        best = sorted(judged.values(), key=best_first)
        parents = [one.genes for one in best[: max(2, round(config.parents * config.population))]]
        for place in range(config.population):
            draw = partial(_child, space, parents, config.mutation, place, rng)
            genes = _new(space, limits, judged, draw, rng)
            progress.advance()
            if genes is None:
                continue
            spec = space.specification(genes)
            found = judge(spec)
            accuracies = found["clean_accuracy"], found["adversarial_accuracy"]
            judged[genes] = Judged(genes, spec, limits.cost(spec), *accuracies, generation)
        best = min(judged.values(), key=best_first)
        progress.note(
            f"generation {generation + 1}/{config.generations}, {len(judged)} networks, best: clean accuracy {best.clean:.1%}, "
            f"adversarial accuracy {best.adversarial:.1%}, {best.cost.relus:,} ReLUs"
        )
    return sorted(judged.values(), key=best_first)


def best_first(one: Judged) -> tuple:
    """The key by which judged networks are sorted: by score; among equals the one of fewer ReLUs."""
    return -one.score, one.cost.relus, one.genes


def _child(space: Space, parents: list[Genes], mutation: float, place: int, rng: Random) -> Genes:
    if not parents:
        return space.sample(rng)
    if place % 2 and len(parents) > 1:
        return space.cross(*rng.sample(parents, 2), rng)
    return space.mutate(rng.choice(parents), mutation, rng)


def _new(space: Space, limits: Limits, judged: dict[Genes, Judged], child: Callable[[], Genes], rng: Random) -> Genes | None:
    """A child that keeps the limits, has ReLUs and was not judged yet; None where there seems to be no other."""
    for _ in range(TRIES):
        genes = repaired(space, limits, child(), rng)
        if genes not in judged and limits.cost(space.specification(genes)).relus > 0:
            return genes
    return None


def repaired(space: Space, limits: Limits, genes: Genes, rng: Random) -> Genes:
    """The genes, if they keep the limits; else with as many genes of the smallest network, in a random order, as it takes.

    By bisection over the number of genes. Costs need not fall with each gene, so a smaller number may do as well; what is
    returned keeps the limits, because the smallest network does.
    """
    least = space.genes(space.smallest)
    order = rng.sample(range(len(genes)), len(genes))

    def replaced(n: int) -> Genes:
        taken = set(order[:n])
        return space.canonical(tuple(least[i] if i in taken else gene for i, gene in enumerate(genes)))

    if limits.allow(space.specification(genes)):
        return genes
    low, high = 0, len(genes)  # `high` genes are enough, `low` are not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if limits.allow(space.specification(replaced(middle))) else (middle, high)
    return replaced(high)


def front(judged: list[Judged], accuracy: Callable[[Judged], float]) -> list[Judged]:
    """Those that no other one beats in accuracy with at most as many ReLUs, from few ReLUs to many."""
    kept: list[Judged] = []
    for one in sorted(judged, key=lambda one: (one.cost.relus, -accuracy(one))):
        if not kept or accuracy(one) > accuracy(kept[-1]):
            kept.append(one)
    return kept
