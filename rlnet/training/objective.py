"""What a stage minimises: named loss terms of a batch, and their weights."""

from typing import Any

import torch
from torch import Tensor

from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork


class Objective:
    """A stage's side of the training loop. The loop minimises sum_n weights[n] * terms(...)[n]."""

    network: ModeNetwork
    weights: dict[str, float]
    settled = False  # whether training may stop before its last epoch
    replays = 1  # optimizer steps that each batch is used for

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        """The unweighted scalar loss terms of one batch, by name."""
        raise NotImplementedError

    def begin_epoch(self, epoch: int, optimizer: torch.optim.Optimizer) -> None:
        """What the stage does before an epoch; done again where a checkpoint of the epoch before is taken up."""

    def end_step(self) -> None:
        """What the objective does after the optimizer's step, with the gradients of that step still there."""

    def end_epoch(self) -> dict[str, float]:
        """What the stage does between two epochs; returns what it wants logged."""
        return {}

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold of the objective, beside the network."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes back what `state` returned."""


def mean_over_views(term: str, weight: float, views: tuple[str, ...]) -> dict[str, float]:
    """The weights of a term's parts, "ce_clean" and so on, when the term is their mean times `weight`."""
    return {f"{term}_{view}": weight / len(views) for view in views}


def named(term: str, by_view: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parts of a term by their names, "ce_clean" and so on."""
    return {f"{term}_{view}": value for view, value in by_view.items()}
