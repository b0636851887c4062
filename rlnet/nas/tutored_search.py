"""The stages of RNAS-CL: teacher, search, training from scratch, adversarial fine-tuning (Nath et al. 2024).

Each leaves a folder; complete stages are reused, an interrupted one goes on. The network that is left is the fine-tuned one:
`python -m rlnet.evaluate runs/digits/nas-rnas-cl-60k/finetuning`.
"""

from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure
from torch import nn

from masks.atomic_file import write_json
from rlnet.accuracy import hits
from rlnet.card import provenance
from rlnet.models import ModeNetwork, frozen
from rlnet.models.elastic import copy_part
from rlnet.nas.guidance import Teacher, by_name, one_hot
from rlnet.nas.relaxed_picture import relaxed_figure
from rlnet.nas.relaxed_search import RelaxedObjective, decided, likeliest
from rlnet.nas.robustness import robustness_scores
from rlnet.nas.search import Judged
from rlnet.nas.space import Genes
from rlnet.nas.tutor_picture import draw_tutors
from rlnet.nas.tutored_experiment import TutoredExperiment
from rlnet.nas.tutored_training import AdversarialObjective, TutoredObjective, start_adversarial_path
from rlnet.nas.watched_layers import student_units
from rlnet.stages.teacher import TeacherObjective
from rlnet.trained import from_content, to_content
from rlnet.training import distributed
from rlnet.training.folder import StageFolder
from rlnet.training.loop import fit
from rlnet.training.objective import Objective
from rlnet.training.schedule import TrainConfig


def run(experiment: TutoredExperiment) -> tuple[Judged, tuple[StageFolder, ...]]:
    """The network found, with the accuracies of its fine-tuned weights on held-out images, and the folders of the trainings."""
    network = teacher_network(experiment)
    teacher = Teacher(network, experiment.layers_of(network))
    with frozen(network, experiment.config.tutor.mode, experiment.compute.dtype):
        genes, tutors = search(experiment, teacher)
        _write_tutors(experiment, teacher, genes, tutors)
        trained = train(experiment, teacher, genes, tutors)
    accuracies = experiment.accuracies(trained, "adversarial")
    spec = experiment.space.specification(genes)
    judged = Judged(genes, spec, experiment.limits.cost(spec), *accuracies.values(), generation=0)
    own = () if experiment.named_teacher is not None else (experiment.teacher_folder,)
    return judged, (*own, experiment.search_folder, experiment.training_folder, experiment.finetuning_folder)


def teacher_network(experiment: TutoredExperiment) -> nn.Module:
    """The teacher on the device: the one that was given, or one that is trained on clean and adversarial images."""
    if experiment.named_teacher is not None:
        return experiment.named_teacher.to(experiment.compute.device)
    facts = experiment.facts(experiment.config.tutor.network)
    network = facts.build(experiment.config.seed).to(experiment.compute.device)
    folder = experiment.teacher_folder
    _stage(
        experiment,
        folder,
        experiment.config.tutor.teaching,
        lambda: TeacherObjective(network, experiment.views),
        validate=lambda: experiment.accuracies(network, "adversarial"),
        describe=lambda: to_content(network, facts),
    )
    return _trained(experiment, folder)


def search(experiment: TutoredExperiment, teacher: Teacher) -> tuple[Genes, list[int] | None]:
    """The widths, which keep the limits, and the teacher's layer that tutors each unit."""
    config, folder = experiment.config.tutor, experiment.search_folder
    network = experiment.build(experiment.space.largest, seed=experiment.config.seed)
    steps = experiment.batches(config.search).steps_per_epoch
    objective: RelaxedObjective | None = None

    def begin() -> Objective:
        nonlocal objective
        objective = RelaxedObjective(network, teacher, config, experiment.space, experiment.limits, experiment.views, steps)
        return objective

    def validate() -> dict[str, float]:
        found = experiment.build(experiment.space.specification(likeliest(objective.choices.widths)))
        copy_part(network, found)
        return {"clean_accuracy": hits(found.eval(), experiment.validation, "normal", experiment.compute).accuracy}

    _stage(
        experiment,
        folder,
        config.search,
        begin,
        validate=validate,
        describe=lambda: {"widths": [logits.detach() for logits in objective.choices.widths], "tutors": objective.tutors()},
        keep="last",
    )
    best = folder.load_best()
    try:
        widths, tutors = best["widths"], best["tutors"]
    except KeyError as error:
        raise ValueError(f"{folder.path / 'best.pt'} is not of this search; {folder.remedy}") from error
    return decided(widths, experiment.space, experiment.limits, experiment.config.seed), tutors


def train(experiment: TutoredExperiment, teacher: Teacher, genes: Genes, tutors: list[int] | None) -> ModeNetwork:
    """The network found, trained from random weights on clean images, then fine-tuned against attacks; in eval mode."""
    config, facts = experiment.config.tutor, experiment.facts_of(experiment.space.specification(genes))
    chosen = None if tutors is None else one_hot(tutors, len(teacher.layers)).to(experiment.compute.device)
    network = facts.build(experiment.config.seed).to(experiment.compute.device)
    for folder, schedule, kind, attacked_mode in (
        (experiment.training_folder, config.training, TutoredObjective, "normal"),
        (experiment.finetuning_folder, config.finetuning, AdversarialObjective, "adversarial"),
    ):
        _stage(
            experiment,
            folder,
            schedule,
            lambda kind=kind, network=network: kind(network, teacher, chosen, experiment.views, config),
            validate=lambda network=network, mode=attacked_mode: experiment.accuracies(network, mode),
            describe=lambda network=network: to_content(network, facts),
        )
        network = _trained(experiment, folder)
        if kind is TutoredObjective:
            start_adversarial_path(network)
    return network


def figure(experiment: TutoredExperiment, genes: Genes) -> Figure:
    """The picture of the search."""
    folder, space = experiment.search_folder, experiment.space
    outs = [widths for depth, widths in zip(space.depths, space.widths, strict=True) for _ in range(depth)]
    title = f"{experiment.config.family}, {experiment.space_name}: widths as mixtures"
    logits = folder.load_best()["widths"]
    return relaxed_figure(folder.read_metrics(), experiment.limits.given, logits, outs, genes, title)


def _stage(
    experiment: TutoredExperiment,
    folder: StageFolder,
    schedule: TrainConfig,
    objective: Callable[[], Objective],
    validate: Callable[[], dict[str, float]],
    describe: Callable[[], dict[str, Any]],
    keep: str = "best",
) -> None:
    """Trains a stage unless its folder is complete, and leaves its card."""
    folder.open()
    if folder.complete:
        return
    batches, compute = experiment.batches(schedule), experiment.compute
    fit(objective(), batches, schedule, folder, compute, validate, describe, keep, experiment.config.tensorboard)
    distributed.barrier()  # the first rank has written the metrics
    history = folder.read_metrics()
    validated = [metrics for metrics in history if "clean_accuracy" in metrics]
    names = {"clean_accuracy": "clean", "adversarial_accuracy": "adversarial"}
    kept = validated[-1] if keep == "last" else max(validated, key=lambda m: (sum(m[n] for n in names), m["epoch"]))
    card = {
        "kind": folder.stage,
        "dataset": experiment.data.name,
        "data": experiment.data.about,
        "validation": {short: kept[name] for name, short in names.items() if name in kept},
        **provenance(experiment.config.seed, compute.device),
        "precision": compute.precision,
        "seconds": {"training": round(sum(metrics["seconds"] for metrics in history), 1)},
    }
    folder.write_card(card)


def _trained(experiment: TutoredExperiment, folder: StageFolder) -> ModeNetwork:
    network, _ = from_content(folder.load_best(experiment.compute.device), folder.path / "best.pt")
    return network.to(experiment.compute.device)


def _write_tutors(experiment: TutoredExperiment, teacher: Teacher, genes: Genes, tutors: list[int] | None) -> None:
    """tutors.json and tutors.png, beside spec.json."""
    folder = experiment.folder.path
    if distributed.rank() != 0 or (folder / "tutors.png").exists():
        return
    config = experiment.config
    scores = robustness_scores(teacher, experiment.validation, config.attack, experiment.compute, config.seed)
    units = student_units(experiment.outline(experiment.space.specification(genes)))
    names = {} if tutors is None else by_name(tutors, units, teacher.layers)
    content = {"guidance": config.tutor.guidance, "tutors": names, "robustness": scores}
    write_json(folder / "tutors.json", content, indent=1)
    if names:
        title = f"{config.family}, {experiment.space_name}: {config.tutor.tutors} tutors"
        draw_tutors(names, scores, title, folder / "tutors.png")
