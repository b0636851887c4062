"""The configuration of a search that draws networks at random: how many, which of them are worth training, and for how long."""

from dataclasses import dataclass, field
from typing import Literal

from rlnet.training.schedule import TrainConfig

FSP_KEPT = 68 / 300  # of the cell-free networks that RobNet drew, those below its threshold (Guo et al. 2020, App. F)


@dataclass(frozen=True)
class SampleConfig:
    """A search among networks drawn at random, each fine-tuned for a few epochs (RobNet). In brackets, the paper's numbers.

    Args:
        candidates: networks that keep the limits and pass the filters (50 for each budget; cell-free 300).
        draws: at most so many networks are drawn in search of them.
        filters: of robnet: whether only dense and direct networks count; auto is on for cell-based spaces and off for
            cell-free ones, as in the paper. For an analysis of all kinds of networks, off.
        min_density: the least share of set bits, of 28 in a cell (0.5).
        min_direct: more than this share of the direct edges has a convolution (0.5).
        budget: of robnet: convolutions of a cell, small up to 7, medium 8 to 10, large from 11.
        fsp_kept: of robnet: the share of the candidates that is fine-tuned, those of the least FSP distance between clean and
            attacked images; null is 68/300 for cell-free spaces, as in the paper, and 1, without distances, for others.
        select: which validation accuracy after fine-tuning decides (adversarial); mean is that of clean and adversarial.
        finetune: the fine-tuning of each candidate, on the cross-entropy of attacked images (3 epochs).
    """

    candidates: int = 12
    draws: int = 500
    filters: Literal["auto", "on", "off"] = "auto"
    min_density: float = 0.5
    min_direct: float = 0.5
    budget: Literal["any", "small", "medium", "large"] = "any"
    fsp_kept: float | None = None
    select: Literal["adversarial", "mean"] = "adversarial"
    finetune: TrainConfig = field(
        default_factory=lambda: TrainConfig(epochs=2, batch_size=32, lr=0.01, schedule="cosine", validate_every=10)
    )

    def __post_init__(self) -> None:
        for name in ("candidates", "draws"):
            if getattr(self, name) < 1:
                raise ValueError(f"sample.{name} is {getattr(self, name)}; give at least 1")
        for name in ("min_density", "min_direct"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"sample.{name} is {getattr(self, name)}; it is a share, from 0 to 1")
        if self.fsp_kept is not None and not 0 < self.fsp_kept <= 1:
            raise ValueError(f"sample.fsp_kept is {self.fsp_kept}; it is a share of the candidates, above 0 and at most 1")
