"""Losses of robust training on logits, and what the attack of each maximises: Madry's, TRADES, ARD, RSLAD.

All are means over the batch, in nats per image. The attacks' objectives are scalars too; an attack that takes the sign of a
gradient finds the same images for a sum. TRADES lets gradients into both of its logits; no gradient reaches a teacher, and none
reaches what an attack's images are compared with.
"""

import torch.nn.functional as F
from torch import Tensor

from distill.kd import kd_kl


def label_attack(adversarial: Tensor, labels: Tensor) -> Tensor:
    """What adversarial training (Madry et al. 2018, Eq. 2.1) and ARD's attack maximise: CE(z_adv, y), in nats.

    adversarial: logits (B, K). labels: (B,). Adversarial training minimises the same.
    """
    return F.cross_entropy(adversarial.float(), labels)


def trades_kl(clean: Tensor, adversarial: Tensor) -> Tensor:
    r"""The second term of TRADES (Zhang et al. 2019, Algorithm 1): how far an attack moves the prediction.

        L = 1/B * sum_b KL(p(x_b) || p(x'_b))

    clean, adversarial: logits (B, K) of the network that is trained; both get a gradient. Returns a scalar. The paper prints
    L(f(X), f(X') / lambda) of a loss L in general; the KL and its direction are those of its public code.
    """
    log_p, log_q = F.log_softmax(clean.float(), dim=1), F.log_softmax(adversarial.float(), dim=1)
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def trades(clean: Tensor, adversarial: Tensor, labels: Tensor, beta: float) -> Tensor:
    r"""TRADES (Zhang et al. 2019, arXiv:1901.08573, Algorithm 1): accuracy on clean images and a smooth prediction around them.

        L = CE(z(x), y) + beta * 1/B sum_b KL(p(x_b) || p(x'_b)),   beta = 1 / lambda

    clean, adversarial: logits (B, K). labels: (B,). beta: 6 in most of the literature. Returns a scalar.
    """
    return F.cross_entropy(clean.float(), labels) + beta * trades_kl(clean, adversarial)


def trades_attack(adversarial: Tensor, clean: Tensor) -> Tensor:
    """What the attack of TRADES maximises (Zhang et al. 2019, Algorithm 1): KL(p(x) || p(x')), the clean logits fixed."""
    return trades_kl(clean.detach(), adversarial)


def ard(clean: Tensor, adversarial: Tensor, teacher: Tensor, labels: Tensor, alpha: float, temperature: float) -> Tensor:
    r"""Adversarially robust distillation (Goldblum et al. 2020, arXiv:1905.09747, Sec. 4).

        L = alpha T^2 KL(teacher(x) || student(x')) + (1 - alpha) CE(student(x), y),   the KL of softened predictions

    clean, adversarial: the student's logits (B, K). teacher: its logits (B, K) of the clean images. labels: (B,). alpha: in
    [0, 1]; the paper's default is 1. Returns a scalar. The attack maximises `label_attack` of the student.
    """
    return alpha * kd_kl(adversarial, teacher, temperature) + (1 - alpha) * F.cross_entropy(clean.float(), labels)


def rslad(clean: Tensor, adversarial: Tensor, teacher: Tensor, alpha: float = 5 / 6) -> Tensor:
    r"""Robust soft label adversarial distillation (Zi et al. 2021, arXiv:2108.07969; ProARD Eq. 2): no label at all.

        L = (1 - alpha) KL(teacher(x) || student(x)) + alpha KL(teacher(x) || student(x'))

    clean, adversarial: the student's logits (B, K). teacher: its logits (B, K) of the clean images. alpha: of the adversarial
    part, 5/6 in both papers' code. Returns a scalar, the mean over the images of a sum over the classes. Both papers print
    KL(student, teacher), but compute it with the teacher in front, as here, and as a mean over images and classes: their loss
    is 1/K of this one, so that their learning rates belong to a loss 10 (100) times smaller.
    """
    return (1 - alpha) * kd_kl(clean, teacher, 1) + alpha * kd_kl(adversarial, teacher, 1)


def rslad_attack(adversarial: Tensor, teacher: Tensor) -> Tensor:
    """What the attack of RSLAD maximises (Zi et al. 2021; ProARD Eq. 2): KL(teacher(x) || student(x')); logits (B, K)."""
    return kd_kl(adversarial, teacher, 1)
