"""The supernet: its largest network first, then sub-networks distilled from it (ProARD, Mousavi et al. 2025, Sec. 3).

1. The largest network learns from the cross-entropy of clean images on the normal path and of attacked ones on the adversarial
path, or by TRADES there. 2. A frozen copy of it teaches: each step draws a sub-network, which learns by RSLAD. Drawing is
progressive, from phase to phase smaller ones too (Once-for-All, Cai et al. 2020), or random among all (RobNet, Guo et al. 2020,
Algorithm 1). Before blocks become narrower inside, their channels are sorted (`rlnet.nas.channel_order`). RobNet's own
objective has no teacher and no largest network: PGD's images train the sub-network that they were found against.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import torch
from torch import Tensor, nn

from distill import rslad, rslad_attack
from rlnet.card import provenance
from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork, frozen
from rlnet.models.elastic import activate
from rlnet.models.specifications.specification import Specification
from rlnet.nas.channel_order import sort_channels
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.judge import Judge
from rlnet.nas.phases import PHASES, span_of
from rlnet.nas.proard import ALL
from rlnet.stages.teacher import teacher_objective
from rlnet.training import distributed
from rlnet.training.folder import StageFolder
from rlnet.training.loop import fit
from rlnet.training.objective import Objective
from rlnet.training.robust import AdversarialTraining


class SupernetObjective(Objective):
    """RSLAD of the sub-network of each step, on the same images for both of its parts.

    x' maximises KL(T(x) || S(x')) along the adversarial path of the sub-network. teacher: frozen by the caller; it sees clean
    images on its normal path. ProARD's code draws for a whole epoch, its paper, and this, for each step.
    """

    def __init__(self, network: ModeNetwork, teacher: ModeNetwork, experiment: NasExperiment):
        self.network, self.teacher, self.experiment = network, teacher, experiment
        self.weights = {"rslad": 1.0}

    def begin_epoch(self, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        if (trained := trained_until(self.experiment, epoch)) is not None:
            sort_channels(self.network, optimizer, [self.experiment.outline(spec) for spec in trained])

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        views, start, _ = self.experiment.views.clean_and_augmented(batch)
        with torch.no_grad():
            target = self.teacher(start)
        activate(self.network, draw(self.experiment, epoch, step))
        x_adv = self.experiment.views.adversarial(self.network, lambda logits: rslad_attack(logits, target), start, epoch, step)
        clean = self.network(views.images["clean"], mode="clean")
        return {"rslad": rslad(clean, self.network(x_adv, mode="adversarial"), target)}


class SampledTraining(AdversarialTraining):
    """Adversarial training of the sub-network of each step (RobNet, Guo et al. 2020, Algorithm 1).

    PGD sees the step's sub-network, so that attacked images are of no one architecture. That is along the adversarial path; as
    in all training here, the normal path learns from the cross-entropy of the clean images beside it.
    """

    def __init__(self, network: ModeNetwork, experiment: NasExperiment):
        super().__init__(network, experiment.views)
        self.experiment = experiment

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        activate(self.network, draw(self.experiment, epoch, step))
        return super().terms(batch, epoch, step)


def draw(experiment: NasExperiment, epoch: int, step: int) -> nn.Module:
    """The sub-network of a step, on the meta device: the same on all ranks, and whenever the step is done again.

    One without any ReLU, as of RobNet's cells that no path leads through, is no network: the next one is drawn.
    """
    rng = Random(f"{experiment.config.seed} {epoch} {step}")
    allowed = None
    if experiment.sampling == "progressive":
        allowed = experiment.space.phase(span_of(epoch, experiment.config.supernet.epochs)[0])
    while True:
        part = experiment.outline(experiment.space.specification(experiment.space.sample(rng, allowed)))
        if any(isinstance(module, nn.ReLU) for module in part.modules()):
            return part


def trained_until(experiment: NasExperiment, epoch: int) -> list[Specification] | None:
    """Where channels are sorted before an epoch, networks that have every inner width trained so far; None where they are not.

    They are where a phase of narrower blocks begins. Before the first epoch only the largest network was trained.
    """
    config = experiment.config.supernet
    if experiment.sampling != "progressive" or not config.sort_channels:
        return None
    phase, epochs = span_of(epoch, config.epochs)
    if epoch != epochs[0] or not phase.startswith("expansion"):
        return None
    if epoch == 0:
        return [experiment.space.largest]
    expansions = PHASES[span_of(epoch - 1, config.epochs)[0]].expansions
    return [experiment.space.alike(expansion, other) for expansion in expansions for other in ALL]


def run(experiment: NasExperiment) -> ModeNetwork:
    """The trained supernet; trains it, goes on training it, or only loads it, as its folders say."""
    largest = _largest(experiment) if experiment.objective == "rslad" else None
    folder, config, supernet = experiment.supernet_folder, experiment.supernet_training, experiment.supernet()
    folder.open()
    if not folder.complete:
        judge = Judge(experiment, supernet)
        with _objective(experiment, supernet, largest) as objective:
            fit(
                objective,
                experiment.batches(config),
                config,
                folder,
                experiment.compute,
                validate=lambda: _extremes(experiment, judge),
                describe=lambda: {"weights": supernet.state_dict()},
                keep="last",
                tensorboard=experiment.config.tensorboard,
            )
        folder.write_card(_card(experiment, folder) | {"sampling": experiment.sampling, "objective": experiment.objective})
    return _trained(supernet, folder, experiment)


@contextmanager
def _objective(experiment: NasExperiment, supernet: ModeNetwork, largest: ModeNetwork | None) -> Iterator[Objective]:
    """What trains the supernet; with a largest network, that one is where it starts from and, frozen, its teacher."""
    if largest is None:
        yield SampledTraining(supernet, experiment)
        return
    supernet.load_state_dict(largest.state_dict())
    with frozen(largest, "normal", experiment.compute.dtype):
        yield SupernetObjective(supernet, largest, experiment)


def _largest(experiment: NasExperiment) -> ModeNetwork:
    """The trained largest network, as a supernet of which all is active."""
    folder, config, network = experiment.largest_folder, experiment.config, experiment.supernet()
    folder.open()
    if not folder.complete:
        judge = Judge(experiment, network)
        fit(
            teacher_objective(config.largest.objective_config, network, experiment.views),
            experiment.batches(config.largest),
            config.largest,
            folder,
            experiment.compute,
            validate=lambda: judge.validate(network),
            describe=lambda: {"weights": network.state_dict()},
            tensorboard=config.tensorboard,
        )
        folder.write_card(_card(experiment, folder))
    return _trained(network, folder, experiment)


def _extremes(experiment: NasExperiment, judge: Judge) -> dict[str, float]:
    """Validation accuracies in the mean over the largest and the smallest sub-network."""
    found = [judge.measure(spec) for spec in (experiment.space.largest, experiment.space.smallest)]
    return {name: sum(accuracies[name] for accuracies in found) / len(found) for name in found[0]}


def _trained(network: ModeNetwork, folder: StageFolder, experiment: NasExperiment) -> ModeNetwork:
    """The network with the weights that the folder holds, in eval mode. Raises ValueError where they do not fit."""
    try:
        network.load_state_dict(folder.load_best(experiment.compute.device)["weights"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{folder.path / 'best.pt'} is not of the supernet of {experiment.space}; {folder.remedy}") from error
    return network.eval()


def _card(experiment: NasExperiment, folder: StageFolder) -> dict:
    distributed.barrier()  # the first rank has written the metrics
    history = folder.read_metrics()
    validated = [metrics for metrics in history if "clean_accuracy" in metrics][-1]
    return {
        "kind": folder.stage,
        "family": experiment.config.family,
        "space": experiment.space_name,
        "dataset": experiment.data.name,
        "data": experiment.data.about,
        "validation": {"clean": validated["clean_accuracy"], "adversarial": validated["adversarial_accuracy"]},
        **provenance(experiment.config.seed, experiment.compute.device),
        "precision": experiment.compute.precision,
        "seconds": {"training": round(sum(metrics["seconds"] for metrics in history), 1)},
    }
