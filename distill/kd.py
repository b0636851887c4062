"""Distillation from softened predictions (Hinton et al. 2015, arXiv:1503.02531)."""

import torch.nn.functional as F
from torch import Tensor


def kd_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    r"""KL divergence between softened predictions (Hinton et al. 2015, Sec. 2).

        L = T^2 / B * sum_b sum_k p_bk (log p_bk - log q_bk),   p = softmax(teacher / T),  q = softmax(student / T)

    student, teacher: logits (B, K). temperature: T > 0; T^2 keeps the size of the gradient independent of it. Returns a
    scalar in nats per image. No gradient reaches the teacher.
    """
    log_p = F.log_softmax(teacher.detach().float() / temperature, dim=1)
    log_q = F.log_softmax(student.float() / temperature, dim=1)
    return temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def kl_student_first(student: Tensor, teacher: Tensor) -> Tensor:
    r"""KL(p, q) with the student's prediction p in front, as RNAS-CL prints it (Nath et al. 2024, Eq. 2 and 4).

        L = 1/B * sum_b sum_k p_bk (log p_bk - log q_bk),   p = softmax(student),  q = softmax(teacher)

    student, teacher: logits (B, K). Returns a scalar in nats per image. No gradient reaches the teacher. The paper's public
    code has the teacher's in front: `kd_kl` at temperature 1.
    """
    log_p, log_q = F.log_softmax(student.float(), dim=1), F.log_softmax(teacher.detach().float(), dim=1)
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
