"""Confidence-aware consistency (CAC) of what a network says of an image and of its adversarial view (RNAS-CL Sec. 3.5)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def log_mean_prediction(clean: Tensor, adversarial: Tensor) -> Tensor:
    """log p_bar, p_bar = (p + p_adv) / 2 (RNAS-CL Sec. 3.5), of logits (B, K): (B, K)."""
    log_p, log_p_adv = F.log_softmax(clean.float(), dim=1), F.log_softmax(adversarial.float(), dim=1)
    return torch.logaddexp(log_p, log_p_adv) - math.log(2)


def cac(clean: Tensor, adversarial: Tensor, temperature: float, threshold: float) -> Tensor:
    r"""Confidence-aware adversarial consistency loss (RNAS-CL, Nath et al. 2024, Eq. 5), a term of its Eq. 6.

        L = 1/B * sum_b 1(max_k pbar_bk >= gamma) (KL(ptilde_b || p_b) + KL(ptilde_b || p_adv,b))
        pbar = (p + p_adv) / 2,   ptilde_k = pbar_k^(1/tau) / sum_j pbar_j^(1/tau)

    clean, adversarial: the student's logits (B, K). temperature: tau in (0, 1], 1 does not sharpen. threshold: gamma in [0, 1);
    an image below it adds 0, but counts in B. The paper gives neither a value of tau or gamma nor code. Returns a scalar in
    nats per image. The paper calls ptilde a pseudo label and does not say whether it gets a gradient: here it gets none. With
    one, sharpening could be undone by moving the label.
    """
    log_mean = log_mean_prediction(clean.detach(), adversarial.detach())
    target = F.log_softmax(log_mean / temperature, dim=1)
    confident = log_mean.max(dim=1).values.exp() >= threshold
    divergence = sum(
        F.kl_div(F.log_softmax(logits.float(), dim=1), target, reduction="none", log_target=True).sum(dim=1)
        for logits in (clean, adversarial)
    )
    return (confident * divergence).mean()
