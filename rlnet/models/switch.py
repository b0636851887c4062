"""Which path an image takes when nobody says: the automatic switch between the modes by prediction confidence.

RLNet (Sarkar et al. 2024, Sec. 2) suggests it after Stutz et al. (2020, arXiv:1910.06259), who reject what a network is not
confident of. Here such an image is not rejected but given to the adversarial path.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rlnet.models.words import SCORES, Score


@dataclass(frozen=True)
class Switch:
    """An image takes the normal path if a confidence s in it is at least a threshold, else the adversarial path.

    With the softmax p of either path's logits, s is by `score`

        normal       max_k p_normal,k               what the paper suggests; an attack on the normal path raises it
        adversarial  max_k p_adversarial,k
        agreement    p_adversarial,k,   k = argmax p_normal: how far the adversarial path believes the normal path's answer

    threshold: 0 never switches, above 1 always does. Raises ValueError for a threshold below 0 and for an unknown score.
    """

    score: Score
    threshold: float

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"a switch's score is {', '.join(SCORES)}; not {self.score!r}")
        if not self.threshold >= 0:
            raise ValueError(f"a switch's threshold is a confidence, 0 or more; not {self.threshold}")

    def confidence(self, normal: Tensor, adversarial: Tensor) -> Tensor:
        """s in [0, 1], (B,), of the logits (B, K) of both paths."""
        return _log_confidence(self.score, normal, adversarial).exp()

    def is_normal(self, confidence: Tensor) -> Tensor:
        """Whether images of these confidences (B,) take the normal path, bool (B,)."""
        return confidence.double() >= self.threshold  # float32 would round a threshold between two neighbours to one of them

    def logits(self, normal: Tensor, adversarial: Tensor) -> Tensor:
        """The logits (B, K) of the path that each image takes, from those of both; differentiable along that path."""
        return torch.where(self.is_normal(self.confidence(normal, adversarial))[:, None], normal, adversarial)

    def excess(self, normal: Tensor, adversarial: Tensor) -> Tensor:
        """How far an image is on the normal side: log-odds of s minus those of the threshold, (B,), differentiable."""
        log_s = _log_confidence(self.score, normal, adversarial).clamp(max=-1e-7)
        t = self.threshold
        threshold_odds = -math.inf if t == 0 else math.inf if t >= 1 else math.log(t) - math.log1p(-t)
        return log_s - torch.log(-torch.expm1(log_s)) - threshold_odds


def _log_confidence(score: Score, normal: Tensor, adversarial: Tensor) -> Tensor:
    log_p = (normal if score == "normal" else adversarial).float().log_softmax(dim=1)
    if score == "agreement":
        return log_p.gather(1, normal.argmax(dim=1, keepdim=True)).squeeze(1)
    return log_p.amax(dim=1)
