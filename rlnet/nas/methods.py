"""The ways to search: from an experiment to the networks that were judged. A new one is a function here and an entry."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rlnet.config import plain
from rlnet.models.specifications.specification import Specification
from rlnet.nas import sample as random_search
from rlnet.nas import supernet as supernet_stage
from rlnet.nas import tutored_search
from rlnet.nas.analysis import analyse, embedded, encoding, is_possible
from rlnet.nas.config import NasConfig
from rlnet.nas.experiment import NasExperiment, method_of
from rlnet.nas.judge import Judge
from rlnet.nas.robnet import RobNetSpace
from rlnet.nas.sample_pictures import analysis_figure, fsp_figure
from rlnet.nas.search import Judged, evolve
from rlnet.nas.tutored_experiment import TutoredExperiment
from rlnet.progress import bar
from rlnet.training.folder import StageFolder


@dataclass(frozen=True)
class Findings:
    """judged: every network that was, the found one first. trained: the folders of the stages that were trained for it.
    about: what the card says of the search beside that. weights: those that the networks were judged with. pictures: by file
    name, what is drawn beside network.png, or in the place of the search.png of all judged networks."""

    judged: list[Judged]
    trained: tuple[StageFolder, ...]
    about: dict[str, Any]
    weights: str = "with the supernet's weights"
    pictures: dict[str, Callable[[], Figure]] = field(default_factory=dict)


def evolution(experiment: NasExperiment) -> Findings:
    """A supernet, and an evolution among its sub-networks; nothing is judged twice, whatever the limits."""
    config, judge = experiment.config, Judge(experiment, supernet_stage.run(experiment))
    total = config.evolution.population * config.evolution.generations
    with judge.journal() as journal, bar("search", total) as progress:

        def remembered(spec: Specification) -> dict[str, float]:
            return judge.remembered(spec, journal)

        judged = evolve(experiment.space, experiment.limits, config.evolution, remembered, config.seed, progress)
    return Findings(judged, experiment.trained_folders, {"sampling": experiment.sampling, **plain(config.evolution)})


def nsga2(experiment: NasExperiment) -> Findings:
    """A supernet, a predictor of its sub-networks' accuracies, and NSGA-II on what is predicted; nothing is judged twice."""
    from rlnet.nas.predicted import search  # here, since the other methods do without pymoo

    judge = Judge(experiment, supernet_stage.run(experiment))
    with judge.journal() as journal:
        judged, about = search(experiment, lambda spec: judge.remembered(spec, journal))
    return Findings(judged, experiment.trained_folders, {"sampling": experiment.sampling, **about})


def gumbel(experiment: TutoredExperiment) -> Findings:
    """RNAS-CL: widths as mixtures with a robust teacher; the network found is trained, and judged with its own weights."""
    found, trained = tutored_search.run(experiment)
    tutor = plain(experiment.config.tutor)
    about = {name: tutor[name] for name in ("mode", "guidance", "tutors")}
    pictures = {"search.png": partial(tutored_search.figure, experiment, found.genes)}
    return Findings([found], trained, about, "with its own weights", pictures)


def sample(experiment: NasExperiment) -> Findings:
    """A supernet, and sub-networks of it drawn at random, filtered and fine-tuned; with enough of them, what the robust ones
    have in common."""
    config = experiment.config.sample
    found = random_search.search(Judge(experiment, supernet_stage.run(experiment)))
    pictures = {} if found.threshold is None else {"fsp.png": lambda: fsp_figure(found)}
    analysis = None
    drawn = [one for one in found.candidates if one.after is not None]  # in an order that says nothing of them
    accuracies = np.array([one.after["adversarial_accuracy"] for one in drawn])
    if isinstance(experiment.space, RobNetSpace) and is_possible(accuracies):
        encodings = np.stack([encoding(one.spec) for one in drawn])
        analysis = analyse(encodings, accuracies, experiment.config.seed)
        pictures["analysis.png"] = lambda: analysis_figure(analysis, embedded(encodings, experiment.config.seed), accuracies)
    about = {
        "sampling": experiment.sampling,
        "objective": experiment.objective,
        "settings": plain(config),
        **found.plain(),
        "analysis": None if analysis is None else analysis.plain(),
    }
    weights = f"after {config.finetune.epochs} epochs of fine-tuning"
    return Findings(found.judged, experiment.trained_folders, about, weights, pictures)


METHODS: dict[str, Callable[[NasExperiment], Findings]] = {
    "evolution": evolution,
    "nsga2": nsga2,
    "sample": sample,
    "gumbel": gumbel,
}
EXPERIMENTS: dict[str, type[NasExperiment]] = {"gumbel": TutoredExperiment}


def experiment_of(config: NasConfig) -> NasExperiment:
    """The experiment of the method that the configuration names. Raises ValueError for every one that cannot run."""
    return EXPERIMENTS.get(method_of(config), NasExperiment)(config)
