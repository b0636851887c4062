"""Post-ReLU activation mismatch (PRAM) between a partial-ReLU student and its all-ReLU teacher."""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

PramForm = Literal["printed", "released"]


def pram_printed(student: Tensor, teacher: Tensor) -> Tensor:
    r"""PRAM of one site as printed (RLNet, Sarkar et al. 2024, Eq. 4; SENet, Kundu et al. 2023).

        PRAM = 1/B * sum_b || s_b / ||s_b||_2 - t_b / ||t_b||_2 ||_2,   s_b, t_b: the whole maps of image b, flattened

    student, teacher: post-ReLU maps (B, C, H, W). Returns a scalar in [0, 2]. No gradient reaches the teacher. The paper
    leaves the average over the batch unsaid.
    """
    s = F.normalize(student.float().flatten(1), dim=1)
    t = F.normalize(teacher.detach().float().flatten(1), dim=1)
    return (s - t).norm(dim=1).mean()


def pram_released(student: Tensor, teacher: Tensor) -> Tensor:
    r"""PRAM of one map as the public code computes it: attention transfer (Zagoruyko & Komodakis 2017, Sec. 3.1).

        L = 1/(B H W) * sum_b || q(s_b) - q(t_b) ||_2^2,   q(a) = v / ||v||_2,   v_hw = 1/C * sum_c a_chw^2

    student, teacher: maps (B, C, H, W). Returns a scalar in [0, 2 / (H W)]; the paper's beta = 1000 belongs to this scale.
    No gradient reaches the teacher.
    """
    q_s = F.normalize(student.float().square().mean(dim=1).flatten(1), dim=1)
    q_t = F.normalize(teacher.detach().float().square().mean(dim=1).flatten(1), dim=1)
    return (q_s - q_t).square().mean()


_FORMS = {"printed": pram_printed, "released": pram_released}


def pram(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor], form: PramForm) -> Tensor:
    """PRAM(x) of one view: the sum over the pairs of maps m, which share their site's name (Eq. 4)."""
    return sum(_FORMS[form](student[name], teacher[name]) for name in student)
