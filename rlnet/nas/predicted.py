"""ProARD's search (Mousavi et al. 2025, Sec. 4.5): a predictor of accuracies, NSGA-II on it, and a look at the best.

1. Networks of the whole space are judged, the same for all limits. 2. The predictor is trained on most of them and tested on
the others. 3. NSGA-II searches what is predicted within the limits. 4. The top of the last generation is judged. Found is the
best that was judged and keeps the limits.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import torch

from rlnet.config import plain
from rlnet.models.specifications.specification import Specification
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.nsga2 import Candidate, nsga2
from rlnet.nas.predictor import ACCURACIES, Predictor, Trained, train
from rlnet.nas.predictor_picture import draw
from rlnet.nas.search import TRIES, Judged, best_first
from rlnet.nas.space import Genes, Space
from rlnet.progress import bar
from rlnet.training import distributed

Judging = Callable[[Specification], dict[str, float]]
Found = tuple[list[Judged], dict[str, Any]]


def search(experiment: NasExperiment, judging: Judging) -> Found:
    """All that was judged and keeps the limits, the best first, and what the card says of the search."""
    config, space, limits = experiment.config, experiment.space, experiment.limits
    rows = examples(experiment, config.predictor.networks)
    known = _judged(experiment, judging, rows, "examples", generation=0)
    accuracies = [[one.clean, one.adversarial] for one in known]
    trained = train([space.encode(genes) for genes in rows], accuracies, config.predictor, config.seed)
    with bar("nsga2", config.nsga2.generations) as progress:
        progress.note(_tested(trained.errors()))
        candidates = nsga2(space, limits, config.nsga2, predict_with(trained.predictor, space), config.seed, progress)
    candidates = candidates[: config.nsga2.finalists]
    last = _judged(experiment, judging, [one.genes for one in candidates], "finalists", generation=1)
    finals = list(zip(candidates, last, strict=True))
    if distributed.rank() == 0:
        draw(trained, finals, experiment.folder.path / "predictor.png")
    judged = {one.genes: one for one in (*last, *known) if limits.allow(one.spec)}
    return sorted(judged.values(), key=best_first), _about(experiment, trained, finals)


def examples(experiment: NasExperiment, count: int) -> list[Genes]:
    """Different networks of the space to judge for the predictor; fewer where there seem to be no more.

    Half are drawn evenly, as ProARD does. Of the others a random share of the genes is the smallest network's: limits ask for
    small networks, and even draws have hardly any.
    """
    space, limits, rng = experiment.space, experiment.limits, Random(f"{experiment.config.seed} examples")
    found: dict[Genes, None] = {}
    tries = 0
    while len(found) < count and tries < TRIES:
        genes = space.sample(rng) if len(found) % 2 == 0 else _shrunk(space, rng)
        tries += 1
        if genes not in found and limits.cost(space.specification(genes)).relus > 0:
            found[genes], tries = None, 0
    return list(found)


def _shrunk(space: Space, rng: Random) -> Genes:
    share, least = rng.random(), space.genes(space.smallest)
    return space.canonical(tuple(a if rng.random() < share else b for a, b in zip(least, space.sample(rng), strict=True)))


def predict_with(predictor: Predictor, space: Space) -> Callable[[list[Genes]], np.ndarray]:
    """Genes -> predicted accuracies (N, 2)."""

    @torch.no_grad()
    def predict(rows: list[Genes]) -> np.ndarray:
        return predictor(torch.tensor([space.encode(genes) for genes in rows])).double().numpy()

    return predict


def _judged(experiment: NasExperiment, judging: Judging, rows: list[Genes], name: str, generation: int) -> list[Judged]:
    found = []
    with bar(name, len(rows)) as progress:
        for genes in rows:
            spec = experiment.space.specification(genes)
            outcome = judging(spec)
            pair = outcome["clean_accuracy"], outcome["adversarial_accuracy"]
            found.append(Judged(genes, spec, experiment.limits.cost(spec), *pair, generation))
            progress.advance()
        best = min(found, key=best_first)
        accuracies = f"clean accuracy {best.clean:.1%}, adversarial accuracy {best.adversarial:.1%}"
        progress.note(f"{len(found)} judged, best: {accuracies}, {best.cost.relus:,} ReLUs")
    return found


def _tested(errors: dict[str, Any]) -> str:
    """The predictor's test in a line."""
    by_name = [f"{name} {errors['rmse'][name]:.1%} (of the mean {errors['rmse_of_mean'][name]:.1%})" for name in ACCURACIES]
    return f"predictor's RMSE on {errors['networks']} held-out networks: {', '.join(by_name)}"


def _about(experiment: NasExperiment, trained: Trained, finals: list[tuple[Candidate, Judged]]) -> dict[str, Any]:
    config = experiment.config
    return {
        "predictor": {**plain(config.predictor), "test": trained.errors()},
        "nsga2": plain(config.nsga2),
        "finalists": [
            {
                "front": candidate.front,
                "relus": one.cost.relus,
                "predicted": {name: getattr(candidate, name) for name in ACCURACIES},
                "judged": {name: getattr(one, name) for name in ACCURACIES},
            }
            for candidate, one in finals
        ],
    }
