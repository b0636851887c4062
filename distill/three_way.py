"""RLNet's three-way losses: the same loss for the clean, the augmented and the adversarial view of the same images.

Sarkar et al. 2024 (RLNet, arXiv:2402.05521), Sec. 2.4. Each function gives one scalar per view; the equations are the
mean over the views, which the training loop forms, so that every part is logged by name. With one view, "clean", they are the
losses of plain linearization (SENet).
"""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from distill.kd import kd_kl
from distill.pram import PramForm, pram


def ce_by_view(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Eq. 1 (teacher) and Eq. 2 (student), L_ce: cross-entropy of each view's logits (B, K) and labels (B,), in nats."""
    return {view: F.cross_entropy(output.float(), labels[view]) for view, output in logits.items()}


def kl_by_view(student: Mapping[str, Tensor], teacher_clean: Mapping[str, Tensor], temperature: float) -> dict[str, Tensor]:
    """Eq. 3, L_kl: KL from the teacher to the student, logits (B, K) by view.

    teacher_clean: for each view, what the teacher says of the clean images that the view was made from.
    """
    return {view: kd_kl(output, teacher_clean[view], temperature) for view, output in student.items()}


def pram_by_view(
    student: Mapping[str, Mapping[str, Tensor]], teacher: Mapping[str, Mapping[str, Tensor]], form: PramForm
) -> dict[str, Tensor]:
    """Eq. 5, L_PRAM: PRAM of each view's post-ReLU maps, view -> site -> (B, C, H, W)."""
    return {view: pram(maps, teacher[view], form) for view, maps in student.items()}
