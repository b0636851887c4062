"""Stage 1: a robust all-ReLU teacher, trained on clean, augmented and adversarial views (RLNet Sec. 2.4.1, Eq. 1)."""

import time

import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from distill import ce_by_view
from masks import masks_of
from rlnet.card import provenance, relu_counts
from rlnet.config import Config, plain
from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork
from rlnet.stages.experiment import Experiment
from rlnet.tables import accuracy_table
from rlnet.trained import from_content, to_content
from rlnet.training import distributed
from rlnet.training.config import ObjectiveConfig
from rlnet.training.loop import fit
from rlnet.training.objective import Objective, mean_over_views, named
from rlnet.training.robust import robust_objective
from rlnet.training.views import ViewMaker, forward


class TeacherObjective(Objective):
    """Eq. 1: the mean over the views of the cross-entropy; the attack maximises the cross-entropy too."""

    def __init__(self, network: ModeNetwork, views: ViewMaker):
        self.network, self.views = network, views
        self.weights = mean_over_views("ce", 1.0, views.names)

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        views, start, labels = self.views.clean_and_augmented(batch)
        if "adversarial" in self.views.names:
            views.labels["adversarial"] = labels
            views.images["adversarial"] = self.views.adversarial(
                self.network, lambda logits: F.cross_entropy(logits.float(), labels), start, epoch, step
            )
        return named("ce", ce_by_view(forward(self.network, views.images), views.labels))


def teacher_objective(config: ObjectiveConfig, network: ModeNetwork, views: ViewMaker) -> Objective:
    """What the teacher minimises: Eq. 1, or one of the objectives of `rlnet.training.robust`."""
    return TeacherObjective(network, views) if config.name == "rlnet" else robust_objective(config, network, views)


def run(experiment: Experiment) -> tuple[ModeNetwork, dict]:
    """The experiment's teacher and its card; trains it, goes on training it, or only loads it, as its folder says.

    A teacher that the configuration names by a file is copied into the folder and evaluated.
    """
    folder, compute = experiment.teacher_folder, experiment.compute
    folder.open()
    if not folder.complete and experiment.teacher_content is not None:
        folder.save_best(experiment.teacher_content)
        folder.write_metrics([])
    elif not folder.complete:
        network = experiment.new_network(experiment.config.seed)
        fit(
            teacher_objective(experiment.config.objective, network, experiment.views),
            experiment.batches(experiment.config.teacher),
            experiment.config.teacher,
            folder,
            compute,
            validate=lambda: experiment.validate(network),
            describe=lambda: to_content(network, experiment.facts),
            tensorboard=experiment.config.tensorboard,
        )
    network, _ = from_content(folder.load_best(compute.device), folder.path / "best.pt")
    network = network.to(compute.device)
    card = folder.read_card() if folder.complete else {}
    if card.get("evaluation", {}).get("settings") != experiment.evaluation_settings():
        card = _card(experiment, network)
        folder.write_card(card)
    return network, card


def _card(experiment: Experiment, network: ModeNetwork) -> dict:
    started = time.monotonic()
    accuracy, basis = experiment.evaluate(network, "teacher test", experiment.teacher_folder.path)
    training = sum(metrics["seconds"] for metrics in experiment.teacher_folder.read_metrics())
    return {
        "kind": "teacher",
        "dataset": experiment.facts.dataset,
        "data": experiment.data.about,
        "network": plain(experiment.config.network),
        "relu": relu_counts(masks_of(network, experiment.sites)),
        "accuracy": accuracy,
        "evaluation": {"settings": experiment.evaluation_settings(), **basis},
        **provenance(experiment.config.seed, experiment.compute.device),
        "precision": experiment.compute.precision,
        "seconds": {"training": round(training, 1), "evaluation": round(time.monotonic() - started, 1)},
    }


def train(config: Config) -> ModeNetwork:
    """Stage 1 of an experiment, in eval mode: `teacher(x, mode="adversarial")`. Stages that are complete are reused."""
    experiment = Experiment(config)
    with experiment.owned(experiment.teacher_folder):
        network, card = run(experiment)
    if distributed.rank() == 0:
        Console().print(accuracy_table({f"{experiment.teacher_folder.path}": card["accuracy"]}))
    return network
