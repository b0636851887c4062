"""The training loop: every stage of the pipeline and every baseline runs here.

A stage hands it an objective (named loss terms and their weights); the loop weighs, sums, steps, validates, logs each term
and checkpoints each epoch, so that a run that was stopped at any moment continues with the numbers of one that was not.
"""

import math
import time
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from rlnet.data.batches import TrainingBatches
from rlnet.progress import bar
from rlnet.training import distributed
from rlnet.training.device import Compute
from rlnet.training.folder import StageFolder
from rlnet.training.objective import Objective
from rlnet.training.schedule import TrainConfig

CHECK_EVERY = 50  # steps between two looks at the losses; each look waits for the accelerator
KEPT = "nothing of this epoch was kept. Lower the learning rate, lengthen its warm-up, or use --precision fp32"


def fit(
    objective: Objective,
    batches: TrainingBatches,
    config: TrainConfig,
    folder: StageFolder,
    compute: Compute,
    validate: Callable[[], dict[str, float]],
    describe: Callable[[], dict[str, Any]],
    keep: Literal["best", "last"] = "best",
    tensorboard: bool = False,
) -> None:
    """Trains `objective.network` for `config.epochs`, from the folder's last checkpoint if there is one.

    validate: returns accuracies on the validation images by name. describe: what `best.pt` must hold for the network to be
    built again. keep: whether `best.pt` is the epoch of the highest mean accuracy or the last one. tensorboard: also
    write the metrics as events. Raises FloatingPointError with the step and the term when a loss
    stops being finite.
    """
    network = objective.network
    optimizer = torch.optim.SGD(network.parameters(), lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    history: list[dict[str, Any]] = []
    best = -math.inf
    if last := folder.load_last(compute.device):
        try:
            network.load_state_dict(last["network"])
            optimizer.load_state_dict(last["optimizer"])
            objective.load_state(last["objective"])
            history, best = last["history"], last["best"]
        except (KeyError, TypeError, RuntimeError, ValueError) as error:
            raise ValueError(f"{folder.path / 'last.pt'} is not of this stage; {folder.remedy}") from error
    folder.write_metrics(history)

    steps_per_epoch = batches.steps_per_epoch * objective.replays
    with bar(folder.stage, config.epochs * steps_per_epoch, len(history) * steps_per_epoch) as progress:
        for epoch in range(len(history), config.epochs):
            if objective.settled:
                break
            started = time.monotonic()
            metrics: dict[str, Any] = {"epoch": epoch + 1, "lr": config.learning_rate(epoch)}
            objective.begin_epoch(epoch, optimizer)
            metrics |= _train_epoch(objective, optimizer, batches, config, compute, epoch, progress.advance)
            metrics |= objective.end_epoch()
            is_last = epoch + 1 == config.epochs or objective.settled
            if is_last or (epoch + 1) % config.validate_every == 0:
                accuracies = validate()
                metrics |= accuracies
                score = sum(accuracies.values()) / len(accuracies)
                if score >= best or keep == "last":
                    best = score
                    folder.save_best({**describe(), "epoch": epoch + 1})
            metrics["seconds"] = round(time.monotonic() - started, 3)
            history.append(metrics)
            folder.save_last(
                {
                    "network": network.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "objective": objective.state(),
                    "history": history,
                    "best": best,
                }
            )
            folder.write_metrics(history)
            if tensorboard:
                folder.write_events(metrics)
            progress.note(_summary(metrics, config.epochs))


def _train_epoch(
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    batches: TrainingBatches,
    config: TrainConfig,
    compute: Compute,
    epoch: int,
    advance: Callable[[], None],
) -> dict[str, float]:
    """One pass over the training images; returns the mean of every loss term and of their weighted sum over the epoch."""
    objective.network.train()
    names = list(objective.weights)
    weights = torch.tensor(list(objective.weights.values()), device=compute.device)
    steps = batches.steps_per_epoch * objective.replays
    log = torch.zeros(steps, len(names), device=compute.device)
    replayed = (numbered for numbered in enumerate(batches.epoch(epoch)) for _ in range(objective.replays))
    for step, (place, batch) in enumerate(replayed):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate(epoch + step / steps)
        with compute.autocast():
            terms = objective.terms(batch, epoch, place)
        values = torch.stack([terms[name] for name in names])
        loss = (values * weights).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(objective.network.parameters())
        optimizer.step()
        objective.end_step()
        log[step] = values.detach()
        advance()
        if (step + 1) % CHECK_EVERY == 0 or step + 1 == steps:
            _check_finite(log, names, epoch)
    for name, value in objective.network.state_dict().items():
        if not value.isfinite().all():
            raise FloatingPointError(
                f"{name} stopped being finite in step {steps} of epoch {epoch + 1}, no loss term did; {KEPT}"
            )
    means = (distributed.sum_over_ranks(log) / distributed.world_size()).mean(dim=0).tolist()
    terms = dict(zip(names, means, strict=True))
    return {"loss": sum(objective.weights[name] * value for name, value in terms.items()), **terms}


def _check_finite(log: Tensor, names: list[str], epoch: int) -> None:
    bad = (~log.isfinite()).nonzero().tolist()
    if bad:
        step, term = bad[0]
        raise FloatingPointError(
            f"the loss term {names[term]} became {log[step, term].item()} in step {step + 1} of epoch {epoch + 1}; {KEPT}"
        )


def _summary(metrics: dict[str, Any], epochs: int) -> str:
    shown = {"loss": ".3f", "clean_accuracy": ".1%", "adversarial_accuracy": ".1%", "mask_change": ".1%"}
    parts = [f"{name.replace('_', ' ')} {metrics[name]:{form}}" for name, form in shown.items() if name in metrics]
    return f"epoch {metrics['epoch']}/{epochs}, " + ", ".join(parts)
