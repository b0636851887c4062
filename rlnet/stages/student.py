"""Stage 3: fine-tuning of the student under its fixed masks on Eq. 7 of RLNet (Sarkar et al. 2024, Sec. 2.4.3)."""

import time
from dataclasses import dataclass
from pathlib import Path

from masks import count_kept, get_masks
from rlnet.card import provenance, relu_counts
from rlnet.config import Config, plain
from rlnet.evaluation.calibration import calibrate_network
from rlnet.models import ModeNetwork, frozen
from rlnet.models.onnx_file import export
from rlnet.plots import draw
from rlnet.stages import mask_search
from rlnet.stages.experiment import Experiment
from rlnet.tables import show
from rlnet.trained import from_content, read_switch, to_content
from rlnet.training import distributed
from rlnet.training.distillation import StudentObjective
from rlnet.training.loop import fit


@dataclass(frozen=True)
class Student:
    """A finished student: `student.network(x, mode="normal")`, its card, and its folder."""

    network: ModeNetwork
    card: dict
    folder: Path


def run(experiment: Experiment) -> Student:
    """The experiment's student; runs whatever is missing."""
    config, folder, compute = experiment.config, experiment.student_folder, experiment.compute
    student, teacher, teacher_card = mask_search.run(experiment)
    folder.open()
    if not folder.complete:
        objective = StudentObjective(student, teacher, experiment.views, config.distillation, beta=config.distillation.beta)
        with frozen(teacher, "normal", compute.dtype):
            fit(
                objective,
                experiment.batches(config.finetune),
                config.finetune,
                folder,
                compute,
                validate=lambda: experiment.validate(student),
                describe=lambda: to_content(student, experiment.facts),
                tensorboard=config.tensorboard,
            )
    student, _ = from_content(folder.load_best(compute.device), folder.path / "best.pt")
    student = student.to(compute.device)
    student.switch = read_switch(folder.path)
    card = folder.read_card() if folder.complete else {}
    if card.get("evaluation", {}).get("settings") != experiment.evaluation_settings():
        card = _card(experiment, student, teacher_card)
        card |= {"switch": calibrate_network(student, experiment.data.validation, folder.path)}
        if distributed.rank() == 0:
            export(student, experiment.facts.image_shape, folder.path / "student.onnx", "normal", experiment.facts.classes)
            draw(folder.path)
        folder.write_card(card)
    return Student(student, card, folder.path)


def _card(experiment: Experiment, student: ModeNetwork, teacher_card: dict) -> dict:
    started = time.monotonic()
    accuracy, basis = experiment.evaluate(student, "student test", experiment.student_folder.path)
    training = sum(metrics["seconds"] for metrics in experiment.student_folder.read_metrics())
    masks_card = experiment.masks_folder.read_card()
    masks = get_masks(student)
    assert count_kept(masks) == experiment.budget
    return {
        "kind": "student",
        "dataset": experiment.facts.dataset,
        "data": experiment.data.about,
        "network": plain(experiment.config.network),
        "relu": {"budget": experiment.budget, **relu_counts(masks)},
        "accuracy": accuracy,
        "teacher": teacher_card["accuracy"],
        "evaluation": {"settings": experiment.evaluation_settings(), **basis},
        **provenance(experiment.config.seed, experiment.compute.device),
        "precision": experiment.compute.precision,
        "seconds": {
            "teacher": teacher_card["seconds"]["training"],
            "masks": masks_card["seconds"]["training"],
            "student": round(training, 1),
            "evaluation": round(teacher_card["seconds"]["evaluation"] + time.monotonic() - started, 1),
        },
    }


def finetune(config: Config) -> Student:
    """All three stages of an experiment; those that are complete are reused. Prints the table of teacher and student."""
    experiment = Experiment(config)
    with experiment.owned(experiment.teacher_folder, experiment.masks_folder, experiment.student_folder):
        student = run(experiment)
    if distributed.rank() == 0:
        show(student.card, student.folder)
    return student
