"""The ways to search: from an experiment to the networks that were judged. A new one is a function here and an entry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rlnet.config import plain
from rlnet.evaluation.journal import Journal
from rlnet.models.specification import Specification
from rlnet.nas import supernet as supernet_stage
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.judge import Judge
from rlnet.nas.search import Judged, evolve
from rlnet.progress import bar
from rlnet.training import distributed
from rlnet.training.folder import StageFolder


@dataclass(frozen=True)
class Findings:
    """judged: every network that was, the found one first. trained: the folders of the stages that were trained for it.
    about: what the card says of the search beside that."""

    judged: list[Judged]
    trained: tuple[StageFolder, ...]
    about: dict[str, Any]


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


METHODS: dict[str, Callable[[NasExperiment], Findings]] = {"evolution": evolution}
