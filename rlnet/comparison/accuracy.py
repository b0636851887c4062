"""Whether accuracy pays for speed: students that our steps trained beside those that the plain steps trained.

Data, batches, weights at the start, random starts of the attacks, schedule and evaluation are those of one experiment for both;
only the arithmetic of the steps differs.
"""

import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from masks import linearize
from rlnet.comparison.config import check_comparable
from rlnet.comparison.intervals import mean_interval
from rlnet.config import Config, plain
from rlnet.reference import OURS, REFERENCE, Side
from rlnet.stages.experiment import Experiment
from rlnet.stages.mask_search import allocate, random_masks
from rlnet.training.folder import StageFolder
from rlnet.training.loop import fit
from rlnet.training.objective import Objective
from rlnet.training.schedule import TrainConfig


def train_student(side: Side, experiment: Experiment, folder: Path) -> dict[str, float]:
    """CA and AdvA of a student, all of whose stages one side's steps trained; the last epoch of each counts."""
    config, views, distillation = experiment.config, experiment.views, experiment.config.distillation
    compute = side.compute(experiment.compute)

    def train(stage: str, objective: Objective, schedule: TrainConfig) -> None:
        stage_folder = StageFolder(folder / f"{side.name} {stage}", {}, defaults={})
        stage_folder.open()
        fit(
            objective,
            experiment.batches(schedule),
            schedule,
            stage_folder,
            compute,
            validate=lambda: experiment.validate(objective.network),
            describe=lambda: {},
            keep="last",
        )

    teacher = side.copy(experiment.new_network(config.seed))
    train("teacher", side.teacher(teacher, views), config.teacher)
    counts = allocate(experiment, teacher)
    student = copy.deepcopy(teacher)
    linearize(student, random_masks(experiment, counts))
    student = side.copy(student.to(compute.device))
    with side.hold(teacher, compute):
        search = side.search(student, teacher, views, distillation, counts=counts, settle=config.search.settle)
        train("masks", search, config.search)
        train("student", side.student(student, teacher, views, distillation, beta=distillation.beta), config.finetune)
    accuracy, _ = experiment.evaluate(student, f"{side.name} test")
    return {"CA": accuracy["clean"], "AdvA": next(iter(accuracy["adversarial"].values()))}


def compare(config: Config, seeds: int) -> dict[str, Any]:
    """Trains a student of each side for each of `seeds` seeds, from the configuration's on; returns part of a card.

    The configuration's `runs` is not used: the trainings leave nothing behind. Raises ValueError for a configuration that
    the reference steps do not know.
    """
    check_comparable(config)
    found: dict[str, list[dict[str, float]]] = {"ours": [], "reference": []}
    for seed in range(config.seed, config.seed + seeds):
        for side in (OURS, REFERENCE):
            with TemporaryDirectory() as folder:
                experiment = Experiment(replace(config, seed=seed, runs=Path(folder)))
                found[side.name].append(train_student(side, experiment, Path(folder) / f"seed {seed}"))
    differences = {
        name: [ours[name] - reference[name] for ours, reference in zip(*found.values(), strict=True)] for name in ("CA", "AdvA")
    }
    return {
        "experiment": {name: value for name, value in plain(config).items() if name != "runs"},
        "seeds": seeds,
        "accuracy": found,
        "difference": {
            name: dict(zip(("mean", "low", "high"), mean_interval(d), strict=True)) for name, d in differences.items()
        },
    }
