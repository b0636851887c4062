"""The student's objective: three-way robust distillation from the all-ReLU teacher (RLNet Sec. 2.4.3)."""

from contextlib import nullcontext

import torch
from torch import Tensor

from distill import ce_by_view, kd_kl, kl_by_view, pram_by_view
from masks import capture
from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork
from rlnet.training.config import DistillationConfig
from rlnet.training.objective import Objective, mean_over_views, named
from rlnet.training.views import ViewMaker

PRAM_VIEWS = ("clean", "augmented")  # Eq. 5 leaves the adversarial view out


class StudentObjective(Objective):
    """L_kl + L_ce + beta L_PRAM of a partial-ReLU student, whose attack maximises the KL from the teacher's clean prediction.

    teacher: within `frozen(teacher, "normal")` for as long as the objective is in use.
    """

    watches_inputs = False

    def __init__(self, student: ModeNetwork, teacher: ModeNetwork, views: ViewMaker, config: DistillationConfig, beta: float):
        self.network, self.teacher, self.views, self.config = student, teacher, views, config
        self.pram_views = tuple(view for view in views.names if view in PRAM_VIEWS) if beta > 0 else ()
        self.pram_sites = None if config.pram == "printed" else list(student.stage_sites)
        self.weights = {
            **mean_over_views("ce", config.ce, views.names),
            **mean_over_views("kl", config.kl, views.names),
            **mean_over_views("pram", beta, self.pram_views),
        }

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        views, start, start_labels = self.views.clean_and_augmented(batch)
        # 1. What the teacher sees: the clean images (and, for PRAM, the augmented ones), along its normal path.
        targets, teacher_maps = self._teacher(views.images)
        # 2. The adversarial view, against the student as it is now.
        if "adversarial" in self.views.names:
            views.labels["adversarial"] = start_labels
            split = self.views.split_batch
            targets["adversarial"] = self._teacher({"clean": start})[0]["clean"] if split else targets["clean"]
            temperature = self.config.attack_temperature
            views.images["adversarial"] = self.views.adversarial(
                self.network, lambda logits: kd_kl(logits, targets["adversarial"], temperature), start, epoch, step
            )
        # 3. What the student makes of every view, and the losses.
        logits, maps = {}, {}
        for view, images in views.images.items():
            watched = view == "clean" and self.watches_inputs
            with capture(self.network) as latest, capture(self.network, before=True) if watched else nullcontext() as entering:
                logits[view] = self.network(images, mode=view)
            maps[view] = latest
            if view == "clean":
                self.see(entering if watched else latest, teacher_maps["clean"])
        terms = named("ce", ce_by_view(logits, views.labels))
        terms |= named("kl", kl_by_view(logits, targets, self.config.temperature))
        if self.pram_views:
            chosen = {view: self._pram_maps(maps[view]) for view in self.pram_views}
            terms |= named("pram", pram_by_view(chosen, teacher_maps, self.config.pram))
        return terms

    def see(self, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> None:
        """Hook for the mask search: the maps on the clean view, site -> (B, C, H, W), after the teacher's ReLUs and after the
        student's, or before the student's where the objective `watches_inputs`."""

    @torch.no_grad()
    def _teacher(self, images: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
        """Targets by view, all of them the clean prediction (Eq. 3), and the teacher's maps by view."""
        maps = {}
        with capture(self.teacher) as latest:
            clean = self.teacher(images["clean"])
            maps["clean"] = dict(latest)
            if "augmented" in self.pram_views and "augmented" in images:
                self.teacher(images["augmented"])
                maps["augmented"] = dict(latest)
        return dict.fromkeys(images, clean), maps

    def _pram_maps(self, maps: dict[str, Tensor]) -> dict[str, Tensor]:
        return maps if self.pram_sites is None else {name: maps[name] for name in self.pram_sites}
