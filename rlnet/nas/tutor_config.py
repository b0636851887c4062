"""The configuration of RNAS-CL: teacher, tutors, losses, and the four trainings."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlnet.models.config import NetworkConfig
from rlnet.models.words import Mode
from rlnet.training.schedule import TrainConfig

Guidance = Literal["attention", "layerwise-kl", "rkd", "pkt", "none"]
Tutors = Literal["searched", "fixed", "random"]


def _training(epochs: int, lr: float, batch_size: int = 32) -> TrainConfig:
    return TrainConfig(epochs=epochs, batch_size=batch_size, lr=lr, schedule="cosine", validate_every=2)


@dataclass(frozen=True)
class TutorConfig:
    """RNAS-CL's search with a robust teacher, and the training of what it finds.

    Args:
        teacher: a trained network, by its stage folder or checkpoint; by default one is trained.
        network: the teacher that is trained.
        mode: the teacher's batch-norm path that teaches; the adversarial one is what a network with one path has learnt.
        layers: the teacher's modules that may be tutors; by default its convolutions and transformer blocks.
        guidance: attention, the attention maps of tutors; layerwise-kl, the same by KL divergence; rkd and pkt, attention and
            relations between images in the place of the teacher's predictions; none, predictions only.
        tutors: searched; fixed, the teacher's layer at the same relative depth; random, drawn once.
        kl: weight of the teacher's predictions, or of what is in their place.
        attention: weight gamma of the attention maps (1).
        map_size: height and width of all attention maps.
        pressure: exponent of the latency factor; 0 leaves the limits to the end of the search.
        logit_share: fraction of an epoch's steps, the last ones, that learn widths and tutors in place of weights.
        logit_lr: learning rate of widths and tutors, by Adam.
        beta: weight of TRADES's KL in fine-tuning.
        cac: weight of the confidence-aware consistency in fine-tuning.
        cac_temperature: what sharpens its pseudo labels, in (0, 1].
        cac_threshold: the confidence from which an image counts, in [0, 1).
        teaching: the training of the teacher, on clean and adversarial images.
        search: the search, on clean images.
        training: of the network found, from random weights, on clean images.
        finetuning: of the trained network, on clean and adversarial images.
    """

    teacher: Path | None = None
    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(width=8, stem_stride=2))
    mode: Mode = "adversarial"
    layers: list[str] | None = None
    guidance: Guidance = "attention"
    tutors: Tutors = "searched"
    kl: float = 1.0
    attention: float = 1.0
    map_size: int = 14
    pressure: float = 1.0
    logit_share: float = 0.2
    logit_lr: float = 0.1
    beta: float = 6.0
    cac: float = 1.0
    cac_temperature: float = 0.5
    cac_threshold: float = 0.7
    teaching: TrainConfig = field(default_factory=lambda: _training(10, 0.05))
    search: TrainConfig = field(default_factory=lambda: _training(12, 0.05))
    training: TrainConfig = field(default_factory=lambda: _training(20, 0.05))
    finetuning: TrainConfig = field(default_factory=lambda: _training(8, 0.02))

    def __post_init__(self) -> None:
        for name in ("kl", "attention", "pressure", "beta", "cac"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"tutor.{name} is {getattr(self, name)}; it is at least 0 and finite")
        if not 0 < self.logit_lr < float("inf"):
            raise ValueError(f"tutor.logit_lr is {self.logit_lr}; a learning rate is above 0 and finite")
        if not 0 < self.logit_share < 1:
            raise ValueError(f"tutor.logit_share is {self.logit_share}; it is a fraction of the steps, between 0 and 1")
        if not 0 < self.cac_temperature <= 1:
            raise ValueError(f"tutor.cac_temperature is {self.cac_temperature}; it is above 0 and at most 1")
        if not 0 <= self.cac_threshold < 1:
            raise ValueError(f"tutor.cac_threshold is {self.cac_threshold}; it is at least 0 and below 1")
        if self.map_size < 1:
            raise ValueError(f"tutor.map_size is {self.map_size}; a map has at least 1 row")
        if self.layers is not None and not self.layers:
            raise ValueError("tutor.layers is empty; leave it out, or name at least 1 module of the teacher")
