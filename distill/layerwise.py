"""Layer-wise KL divergence: what RNAS-CL's ablation puts in the place of its attention loss (Sec. 4.10, Table 8)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from distill.attention import by_tutor, common_maps

_TINY = 1e-12  # the least attention of a pixel, as its logarithm is taken


def layerwise_kl(student: Sequence[Tensor], teacher: Sequence[Tensor], tutors: Tensor, size: tuple[int, int]) -> Tensor:
    r"""KL divergence from the tutors' attention to the student's, in the place of Eq. 1's norm (RNAS-CL Sec. 4.10).

        L = 1 / (S T) * sum_i sum_j g_ij KL(t^j || s^i),   s^i = F(A_s^i) / ||F(A_s^i)||_1,   t^j = F(A_t^j) / ||F(A_t^j)||_1

    Arguments as of `attention_loss`. Returns a scalar in nats. No gradient reaches the teacher; g gets one. The paper speaks
    of the KL between feature maps of tutor and student, and neither says how a map becomes a distribution nor how maps of
    different channels are compared: here the distribution is that of the attention F over the pixels, which the scale of a
    map does not change, and the teacher stands in front, as in Hinton's loss. A map that is 0 everywhere adds nothing as a
    teacher's, and has attention 1e-12 everywhere as a student's.
    """
    s = _distributions(common_maps(student, size))
    t = _distributions(common_maps([a.detach() for a in teacher], size))
    entropy = torch.special.entr(t).sum(dim=2)  # (B, T)
    with torch.autocast(s.device.type, enabled=False):  # which would multiply in bf16
        cross_entropy = -s.clamp(min=_TINY).log() @ t.mT  # (B, S, T)
    return by_tutor(cross_entropy - entropy[:, None], tutors)


def _distributions(maps: Tensor) -> Tensor:
    """Maps (B, n, P), at least 0, with sums of 1, or of 0 where they are 0 everywhere."""
    total = maps.sum(dim=2, keepdim=True)
    return maps / torch.where(total > 0, total, 1)
