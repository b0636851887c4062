"""What a student learns from labels and from a teacher: RNAS-CL Eq. 2 and 4 without the latency, and its ablations.

guidance        predictions                  maps of tutors
attention       KL(p, q)                     Eq. 1
layerwise-kl    KL(p, q)                     Sec. 4.10, Table 8
rkd, pkt        relations, Sec. 4.11         Eq. 1
none            KL(p, q)                     none: knowledge distillation, "KL-X-T" of Sec. 4.9
"""

from collections.abc import Callable, Mapping
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from distill import attention_loss, attention_map, kl_student_first, layerwise_kl, pkt, rkd_angle, rkd_distance
from rlnet.nas.tutor_config import TutorConfig
from rlnet.nas.watched_layers import watched

ANGLE = 2.0  # of RKD's angles to its distances (Park et al. 2019, Sec. 4)
PREDICTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "rkd": lambda s, t: rkd_distance(s, t) + ANGLE * rkd_angle(s, t),
    "pkt": pkt,
}
MAPS = {"attention": attention_loss, "layerwise-kl": layerwise_kl, "rkd": attention_loss, "pkt": attention_loss}


class Teacher:
    """A network that teaches, and its layers that may be tutors. It is used within `frozen(teacher.network, mode)`."""

    def __init__(self, network: nn.Module, layers: list[str]):
        modules = dict(network.named_modules())
        self.network, self.layers = network, {name: modules[name] for name in layers}

    @torch.no_grad()
    def observe(self, x: Tensor, maps: bool) -> tuple[Tensor, list[Tensor]]:
        """Logits (B, K) of images (B, C, H, W), and with `maps` what `one_channel` makes of each layer's, (B, 1, H', W')."""
        if not maps:
            return self.network(x), []
        with watched(self.layers, one_channel) as found:
            logits = self.network(x)
        return logits, [found[name] for name in self.layers]


def one_channel(a: Tensor) -> Tensor:
    """The map (B, 1, H, W) that has the attention map of another (B, C, H, W), a fraction of its size."""
    return attention_map(a)[:, None].sqrt()


class Guided:
    """The loss terms of one batch by name, and their weights."""

    def __init__(self, config: TutorConfig, teacher: Teacher):
        self.config, self.teacher = config, teacher
        self.predictions = "kl" if config.guidance not in PREDICTIONS else config.guidance
        self.needs_maps = config.guidance in MAPS and config.attention > 0
        self.weights = {self.predictions: config.kl} if config.kl > 0 else {}
        self.weights |= {"attention": config.attention} if self.needs_maps else {}

    def terms(self, x: Tensor, logits: Tensor, maps: list[Tensor], tutors: Tensor | None) -> dict[str, Tensor]:
        """x: clean images (B, C, H, W). logits: the student's (B, K). maps: of its units. tutors: g (S, T)."""
        if not self.weights:
            return {}
        seen, tutor_maps = self.teacher.observe(x, self.needs_maps)
        terms = {}
        if self.predictions in self.weights:
            terms[self.predictions] = PREDICTIONS.get(self.config.guidance, kl_student_first)(logits, seen)
        if self.needs_maps:
            size = (self.config.map_size, self.config.map_size)
            terms["attention"] = MAPS[self.config.guidance](maps, tutor_maps, tutors, size)
        return terms


def chosen_tutors(how: str, units: int, layers: int, seed: int) -> list[int]:
    """The layer that tutors each unit: fixed, at the same relative depth; random, drawn evenly for each."""
    if how == "fixed":
        return [round(i * (layers - 1) / max(1, units - 1)) for i in range(units)]
    rng = Random(f"{seed} tutors")
    return [rng.randrange(layers) for _ in range(units)]


def one_hot(tutors: list[int], layers: int) -> Tensor:
    """g (S, T) of chosen tutors."""
    return F.one_hot(torch.tensor(tutors), layers).float()


def by_name(tutors: list[int], units: Mapping[str, object], layers: Mapping[str, object]) -> dict[str, str]:
    """The teacher's layer that tutors each of the student's units."""
    names = list(layers)
    return {unit: names[tutor] for unit, tutor in zip(units, tutors, strict=True)}
