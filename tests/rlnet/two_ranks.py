"""What tests run on two ranks: the first argument says what, the others are the flags of a configuration.

torchrun --nproc-per-node 2 two_ranks.py gradients --network.width 4 ...; tests start it by the fixture `two_ranks`.
"""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

import rlnet.finetune
import rlnet.nas.__main__
import rlnet.stages.student
from masks import linearize, random_mask
from rlnet.cli import command
from rlnet.config import Config
from rlnet.models import frozen
from rlnet.stages.experiment import Experiment
from rlnet.stages.teacher import TeacherObjective, teacher_objective
from rlnet.training import distributed
from rlnet.training.config import ObjectiveConfig
from rlnet.training.distillation import StudentObjective
from rlnet.training.folder import StageFolder
from rlnet.training.objective import Objective


def objectives(experiment: Experiment) -> dict[str, Objective]:
    """Fresh objectives of stage 1, each kind, and of stage 3 under random masks."""
    student, teacher = experiment.new_network(1), experiment.new_network(2)
    generator = torch.Generator().manual_seed(0)
    linearize(student, {name: random_mask(shape, shape[0] * 2, generator) for name, shape in experiment.sites.items()})
    of_student = StudentObjective(student, teacher, experiment.views, experiment.config.distillation, beta=1000.0)
    robust = {
        name: teacher_objective(ObjectiveConfig(name), experiment.new_network(0), experiment.views)
        for name in ("at", "trades", "free")
    }
    return {"teacher": TeacherObjective(experiment.new_network(0), experiment.views), **robust, "student": of_student}


def one_step(objective: Objective, experiment: Experiment) -> dict[str, Tensor]:
    """What the first batch's step finds: gradients, batch-norm statistics, the mean of each term, the objective's state."""
    network = objective.network.train()
    batch = next(iter(experiment.batches(experiment.config.teacher).epoch(0)))
    with frozen(objective.teacher, "normal") if isinstance(objective, StudentObjective) else nullcontext():
        terms = objective.terms(batch, 0, 0)
    sum(objective.weights[name] * term for name, term in terms.items()).backward()
    distributed.average_gradients(network.parameters())
    objective.end_step()
    found = {f"state {name}": value for name, value in objective.state().items()}
    found |= {f"gradient of {name}": parameter.grad for name, parameter in network.named_parameters()}
    found |= {f"statistic {name}": value for name, value in network.state_dict().items() if "running" in name}
    ranks = distributed.world_size()
    return found | {name: distributed.sum_over_ranks(term.detach().clone()) / ranks for name, term in terms.items()}


def steps(config: Config) -> dict[str, Tensor]:
    """What one step of either objective finds, on as many ranks as there are."""
    experiment = Experiment(config)
    found = {kind: one_step(objective, experiment) for kind, objective in objectives(experiment).items()}
    return {f"{kind}: {name}": value for kind, values in found.items() for name, value in values.items()}


def gradients(flags: list[str]) -> None:
    """Two ranks agree with each other, and with one process on the joint batch.

    In double precision: rounding then puts no ReLU and no sign of the attack's gradient on the other side, which would each
    change the gradients by a jump.
    """
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float, torch.float32 = torch.Tensor.double, torch.float64
    results = []
    rank = os.environ.pop("RANK")  # a process that has none is alone
    assert command(lambda config: results.append(steps(config)), Config, flags) == 0

    def on_two_ranks(config: Config) -> None:
        assert distributed.world_size() == 2
        assert not distributed.all_agree([torch.tensor(distributed.rank())])
        results.append(steps(config))
        assert distributed.all_agree([torch.cat([tensor.flatten() for tensor in results[1].values()])])
        assert rlnet.finetune.main([*flags, "--finetune.batch_size=63"]) == 2

    os.environ["RANK"] = rank
    assert command(on_two_ranks, Config, flags) == 0
    alone, together = results
    assert alone.keys() == together.keys()
    for name, wanted in alone.items():
        assert wanted.dtype == torch.float64
        assert (together[name] - wanted).norm() <= 1e-9 * wanted.norm().clamp(min=1e-6), name


def compare_every_epoch(own_part: str, stage: str) -> list[str]:
    """From now on both ranks must hold the same weights, statistics and momenta at the end of each epoch of each stage.

    own_part: what the objective of a stage, and of no other, holds beside them, and must be the same too. Returns the list of
    epochs that were compared, by their stage, which grows.
    """
    save_last, epochs = StageFolder.save_last, []

    def compare_and_save(folder: StageFolder, content: dict) -> None:
        assert distributed.world_size() == 2
        momenta = [state["momentum_buffer"] for state in content["optimizer"]["state"].values()]
        own = content["objective"].get(own_part, {})
        assert momenta and bool(own) == (folder.stage == stage)
        tensors = [*content["network"].values(), *momenta, *own.values()]
        assert distributed.all_agree([torch.cat([tensor.detach().double().flatten() for tensor in tensors])]), folder.stage
        epochs.append(folder.stage)
        save_last(folder, content)

    StageFolder.save_last = compare_and_save
    return epochs


def finetune(flags: list[str]) -> None:
    """The main job, with a file that is written once, or not at all, in place of the ONNX file and the pictures."""

    def once(folder: Path) -> None:
        with (folder / "pictures").open("x"):
            pass

    rlnet.stages.student.export = lambda network, shape, path, *rest: once(path.parent)
    rlnet.stages.student.draw = lambda folder: None
    epochs = compare_every_epoch("masks", stage="masks")
    assert rlnet.finetune.main(flags) == 0
    assert epochs == ["teacher", "masks", "student"]


def nas(flags: list[str]) -> None:
    """A search; what is left of it is looked at by the test."""
    epochs = compare_every_epoch("choices", stage="search")
    assert rlnet.nas.__main__.main(flags) == 0
    assert epochs


if __name__ == "__main__":
    {"gradients": gradients, "finetune": finetune, "nas": nas}[sys.argv[1]](sys.argv[2:])
