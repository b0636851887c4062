"""Distillation of the relations between the images of a batch: RKD (Park et al. 2019) and PKT (Passalis & Tefas 2018).

Features or logits (B, D) of the same B images; the student's and the teacher's D may differ. RNAS-CL Sec. 4.11 puts either in
the place of its KL term (Eq. 2 and 4). No gradient reaches the teacher.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-12


def rkd_distance(student: Tensor, teacher: Tensor) -> Tensor:
    r"""Distance-wise relational distillation (Park et al. 2019, arXiv:1904.05068, Sec. 3.2.1).

        L = mean_{i<j} h(psi(t_i, t_j), psi(s_i, s_j)),   psi(a, b) = ||a - b||_2 / mu,   mu = mean_{i<j} ||a_i - a_j||_2

    h: Huber's loss with delta = 1. student, teacher: (B, D), B >= 2. Returns a scalar. The paper sums over the pairs; the mean
    makes the loss independent of the batch size (its public code takes a mean too, over B^2 entries with the diagonal).
    """
    _at_least(2, student)
    return F.huber_loss(_relative_distances(student.float()), _relative_distances(teacher.detach().float()))


def rkd_angle(student: Tensor, teacher: Tensor) -> Tensor:
    r"""Angle-wise relational distillation (Park et al. 2019, Sec. 3.2.2).

        L = mean_{i,j,k} h(psi(t_i, t_j, t_k), psi(s_i, s_j, s_k)),   psi(a, b, c) = <(a - b) / |a - b|, (c - b) / |c - b|>

    h: Huber's loss with delta = 1; i, j, k: different. student, teacher: (B, D), B >= 3. Returns a scalar. The paper sums over
    the triples. Takes O(B^3) numbers. An angle at two equal points has cosine 0.
    """
    _at_least(3, student)
    n = len(student)
    total = F.huber_loss(_cosines(student.float()), _cosines(teacher.detach().float()), reduction="sum")
    return total / (n * (n - 1) * (n - 2))  # where two of i, j, k are the same, both cosines are 0 and add nothing


def pkt(student: Tensor, teacher: Tensor) -> Tensor:
    r"""Probabilistic knowledge transfer with the cosine kernel (Passalis & Tefas 2018, arXiv:1803.10837, Sec. 3).

        L = 1/B * sum_i sum_{j!=i} t_j|i log(t_j|i / s_j|i),   s_j|i = K(s_i, s_j) / sum_{k!=i} K(s_i, s_k)
        K(a, b) = (cos(a, b) + 1) / 2

    student, teacher: (B, D), B >= 2. Returns a scalar in nats per image; the paper sums over the images. (Its public code also
    counts j = i in the sums.) Similarities below 1e-12, of opposite features, are taken for that.
    """
    _at_least(2, student)
    log_s, log_t = _log_neighbours(student.float()), _log_neighbours(teacher.detach().float())
    return F.kl_div(log_s, log_t, reduction="sum", log_target=True) / len(student)


def _relative_distances(x: Tensor) -> Tensor:
    """The distances of all pairs of x (B, D) in units of their mean, (B (B - 1) / 2,)."""
    distances = F.pdist(x)
    return distances / distances.mean().clamp(min=_TINY)


def _cosines(x: Tensor) -> Tensor:
    """The cosine of the angle at j between i and k, [j, i, k], of x (B, D): (B, B, B); 0 for i = k."""
    directions = F.normalize(x[None] - x[:, None], dim=2)
    with _fp32(x):
        return (directions @ directions.mT) * (1 - torch.eye(len(x), device=x.device))


def _log_neighbours(x: Tensor) -> Tensor:
    """log p_j|i [i, j], the diagonal left out, of x (B, D): (B, B - 1)."""
    unit = F.normalize(x, dim=1)
    n = len(x)
    others = ~torch.eye(n, dtype=torch.bool, device=x.device)
    with _fp32(x):
        cosines = unit @ unit.T
    kernel = ((cosines + 1) / 2)[others].view(n, n - 1).clamp(min=_TINY)
    return (kernel / kernel.sum(dim=1, keepdim=True)).log()


def _fp32(x: Tensor) -> torch.autocast:
    """The context of a product in fp32, also where the networks run in bf16."""
    return torch.autocast(x.device.type, enabled=False)


def _at_least(images: int, features: Tensor) -> None:
    if len(features) < images:
        raise ValueError(f"relations need a batch of at least {images} images, not {len(features)}")
