"""The ways to search: from an experiment to the networks that were judged. A new one is a function here and an entry."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rlnet.config import plain
from rlnet.evaluation.journal import Journal
from rlnet.models.specification import Specification
from rlnet.nas import supernet as supernet_stage
from rlnet.nas import tutored_search
from rlnet.nas.config import NasConfig
from rlnet.nas.experiment import NasExperiment, method_of
from rlnet.nas.judge import Judge
from rlnet.nas.search import Judged, evolve
from rlnet.nas.tutored_experiment import TutoredExperiment
from rlnet.progress import bar
from rlnet.training import distributed
from rlnet.training.folder import StageFolder


@dataclass(frozen=True)
class Findings:
    """judged: every network that was, the found one first. trained: the folders of the stages that were trained for it.
    about: what the card says of the search beside that. weights: with which ones the accuracies are. draw: writes search.png in
    the place of that of all judged networks."""

    judged: list[Judged]
    trained: tuple[StageFolder, ...]
    about: dict[str, Any]
    weights: str = "the supernet's"
    draw: Callable[[Path], None] | None = None


def evolution(experiment: NasExperiment) -> Findings:
    """A supernet, and an evolution among its sub-networks; nothing is judged twice, whatever the limits."""
    config, judge = experiment.config, Judge(experiment, supernet_stage.run(experiment))
    total = config.evolution.population * config.evolution.generations
    with Journal(experiment.family_folder / "judged", distributed.rank()) as journal, bar("search", total) as progress:
        distributed.barrier()  # all ranks know the same outcomes, and judge together what these lack

        def remembered(spec: Specification) -> dict[str, float]:
            return judge.remembered(spec, journal)

        judged = evolve(experiment.space, experiment.limits, config.evolution, remembered, config.seed, progress)
    trained = (experiment.largest_folder, experiment.supernet_folder)
    return Findings(judged, trained, {"sampling": experiment.sampling, **plain(config.evolution)})


def nsga2(experiment: NasExperiment) -> Findings:
    """A supernet, a predictor of its sub-networks' accuracies, and NSGA-II on what is predicted; nothing is judged twice."""
    from rlnet.nas.predicted import search  # here, since the other methods do without pymoo

    judge = Judge(experiment, supernet_stage.run(experiment))
    with Journal(experiment.family_folder / "judged", distributed.rank()) as journal:
        distributed.barrier()  # all ranks know the same outcomes, and judge together what these lack
        judged, about = search(experiment, lambda spec: judge.remembered(spec, journal))
    trained = (experiment.largest_folder, experiment.supernet_folder)
    return Findings(judged, trained, {"sampling": experiment.sampling, **about})


def gumbel(experiment: TutoredExperiment) -> Findings:
    """RNAS-CL: widths as mixtures with a robust teacher; the network found is trained, and judged with its own weights."""
    found, trained = tutored_search.run(experiment)
    tutor = plain(experiment.config.tutor)
    about = {name: tutor[name] for name in ("mode", "guidance", "tutors")}
    return Findings([found], trained, about, "its own", partial(tutored_search.draw, experiment, found.genes))


METHODS: dict[str, Callable[[NasExperiment], Findings]] = {"evolution": evolution, "nsga2": nsga2, "gumbel": gumbel}
EXPERIMENTS: dict[str, type[NasExperiment]] = {"gumbel": TutoredExperiment}


def experiment_of(config: NasConfig) -> NasExperiment:
    """The experiment of the method that the configuration names. Raises ValueError for every one that cannot run."""
    return EXPERIMENTS.get(method_of(config), NasExperiment)(config)
