"""How long and how fast a stage learns."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainConfig:
    """One stage of training with SGD.

    Args:
        epochs: passes over the training images.
        batch_size: images per step, over all ranks.
        lr: learning rate at the start, or at the top of the warm-up.
        schedule: step multiplies the rate by 0.1 at 62.5%, 75% and 87.5% of the epochs (RLNet Sec. A.2.1); cosine lets it
            fall to 0; constant leaves it.
        warmup_epochs: epochs over which the rate rises linearly from 0.
        momentum: of SGD.
        weight_decay: of SGD, on all parameters.
        validate_every: epochs between two validations; the last epoch is always validated.
    """

    epochs: int = 10
    batch_size: int = 128
    lr: float = 0.05
    schedule: Literal["step", "cosine", "constant"] = "step"
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 5e-4
    validate_every: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; a stage needs at least 1")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"lr is {self.lr}; a learning rate is above 0 and finite")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}; it is at least 0 and below 1, for instance 0.9")
        for name in ("weight_decay", "warmup_epochs"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it is at least 0 and finite")

    def learning_rate(self, epoch: float) -> float:
        """The learning rate at a point of the training, given in epochs (a step within an epoch is a fraction)."""
        if epoch < self.warmup_epochs:
            return self.lr * epoch / self.warmup_epochs
        factors = {
            "step": lambda: 0.1 ** sum(math.floor(epoch) >= self.epochs * at for at in (0.625, 0.75, 0.875)),
            "cosine": lambda: 0.5 * (1 + math.cos(math.pi * epoch / self.epochs)),
            "constant": lambda: 1.0,
        }
        return self.lr * factors[self.schedule]()
