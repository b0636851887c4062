"""What training minimises, and in which number format; how long and how fast it learns is in `rlnet.training.schedule`."""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the teacher minimises.

    Args:
        name: rlnet is the mean cross-entropy of all views (RLNet Eq. 1); at (PGD), trades, fast-at and free are the training of
            their papers along the adversarial path. fast-at and free take nothing of the attack but its eps.
        beta: of trades, the weight of the KL between clean and attacked predictions.
        replays: of free, the optimizer steps for each batch; its paper divides the epochs by as many.
    """

    name: Literal["rlnet", "at", "trades", "fast-at", "free"] = "rlnet"
    beta: float = 6.0
    replays: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.beta < float("inf"):
            raise ValueError(f"objective.beta is {self.beta}; it is a weight, at least 0 and finite")
        if self.replays < 1:
            raise ValueError(f"objective.replays is {self.replays}; free training takes at least 1 step for each batch")


@dataclass(frozen=True)
class DistillationConfig:
    """The losses of the student, Eq. 6 (mask search) and Eq. 7 (fine-tuning).

    Args:
        ce: weight of the cross-entropy, Eq. 2.
        kl: weight of the distillation from the teacher's clean prediction, Eq. 3.
        beta: weight of the post-ReLU activation mismatch, Eq. 5; fine-tuning only.
        temperature: of the distillation.
        attack_temperature: of the KL that the student's attack maximises (1 in RSLAD, 4 in RLNet's public code).
        pram: Eq. 4 on every site as printed, or attention transfer on the stages' ends as released; beta belongs to the form.
    """

    ce: float = 1.0
    kl: float = 1.0
    beta: float = 1000.0
    temperature: float = 4.0
    attack_temperature: float = 1.0
    pram: Literal["printed", "released"] = "released"

    def __post_init__(self) -> None:
        if not (self.temperature > 0 and self.attack_temperature > 0):
            raise ValueError("distillation.temperature and attack_temperature are above 0")
        if min(self.ce, self.kl, self.beta) < 0:
            raise ValueError("distillation.ce, kl and beta are weights, at least 0")
