"""Where a network looks: attention maps of any two layers, and how far a student's are from its tutors' (RNAS-CL Sec. 3.1-3.2).

Nath et al. 2024 (RNAS-CL), after Zagoruyko & Komodakis 2017, Sec. 3.1. A tutor is the teacher's layer that a layer of the
student learns from; a tutor distribution g (S, T) says how much layer i of the S student's layers learns from layer j of the
T teacher's: each row sums to 1 while tutors are searched, and is one-hot afterwards.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def attention_map(a: Tensor) -> Tensor:
    r"""The attention map of a layer (RNAS-CL Sec. 3.1).

        F(A)_hw = sum_c A_chw^2

    a: activations (B, C, H, W). Returns (B, H, W), never negative.
    """
    return a.float().square().sum(dim=1)


def common_maps(layers: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """The attention maps of n layers (B, C_i, H_i, W_i) at one size (H, W), bilinear (Sec. 3.1): (B, n, H W).

    The paper leaves the size unsaid; its public code uses 14 x 14.
    """
    maps = [F.interpolate(attention_map(a)[:, None], size, mode="bilinear", align_corners=False) for a in layers]
    return torch.cat(maps, dim=1).flatten(2)


def by_tutor(distances: Tensor, tutors: Tensor) -> Tensor:
    r"""The mean over images and pairs of layers, weighted by the tutors (Eq. 1 without its norm).

        L = 1 / (S T) * sum_i sum_j g_ij * 1/B sum_b d_bij

    distances: d (B, S, T). tutors: g (S, T). Returns a scalar. As the rows of g sum to 1, the factor 1/T, which the paper
    prints, makes the loss smaller the more layers the teacher has.
    """
    assert tutors.shape == distances.shape[1:], f"tutors {tuple(tutors.shape)} for distances {tuple(distances.shape)}"
    return (tutors * distances.mean(dim=0)).sum() / tutors.numel()


def attention_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], tutors: Tensor, size: tuple[int, int]) -> Tensor:
    r"""L_Attn, the attention loss (RNAS-CL Eq. 1), a term of its search loss (Eq. 2) and of its training loss (Eq. 4).

        L = 1 / (S T) * sum_i sum_j g_ij || F(A_s^i) / ||F(A_s^i)||_2 - F(A_t^j) / ||F(A_t^j)||_2 ||_2

    student, teacher: activations by layer, (B, C_i, H_i, W_i). tutors: g (S, T). size: (H, W) of all maps. Returns a scalar in
    [0, sqrt(2) / T] if the rows of g sum to 1. No gradient reaches the teacher; g gets one. The paper writes of one image:
    each image's map is normalised by itself, and B images give the mean. (Its public code normalises over the whole batch and
    takes one norm for all tutors of a layer.) Where two maps are equal the norm has no derivative; 0 is taken.
    """
    s = F.normalize(common_maps(student, size), dim=2)
    t = F.normalize(common_maps([a.detach() for a in teacher], size), dim=2)
    return by_tutor(torch.cdist(s, t, compute_mode="donot_use_mm_for_euclid_dist"), tutors)
