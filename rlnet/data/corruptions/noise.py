"""Noise corruptions: Gaussian, shot, impulse and speckle (Hendrycks & Dietterich 2019, Sec. 3).

Every function takes images (B, 3, H, W) in [0, 1], severity 1..5 and a CPU generator, draws independently for each
value (the three channels of a gray pixel differ too, as in the benchmark), and returns floats that may leave [0, 1]:
`corrupt` clips.
"""

import torch
from torch import Generator, Tensor

from rlnet.data.corruptions.constants import constants


def _normal(images: Tensor, generator: Generator) -> Tensor:
    """Standard normal numbers of the shape of images, drawn on the CPU and moved to their device."""
    return torch.randn(images.shape, generator=generator).to(images.device)


def gaussian_noise(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Sensor noise in poor light: x + sigma n, n ~ N(0, 1)."""
    (sigma,) = constants("gaussian_noise", images, severity)
    return images + sigma * _normal(images, generator)


def shot_noise(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Photon counting: Poisson(photons x) / photons."""
    (photons,) = constants("shot_noise", images, severity)
    counts = torch.poisson((images * photons).cpu(), generator=generator)
    return counts.to(images.device) / photons


def impulse_noise(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Salt and pepper: each value becomes 1 with probability amount / 2 and 0 with probability amount / 2."""
    (amount,) = constants("impulse_noise", images, severity)
    chance = torch.rand(images.shape, generator=generator).to(images.device)
    salted = torch.where(chance < amount / 2, 1.0, images)
    return torch.where(chance >= 1 - amount / 2, 0.0, salted)


def speckle_noise(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Noise that grows with the value: x + sigma x n, n ~ N(0, 1)."""
    (sigma,) = constants("speckle_noise", images, severity)
    return images + sigma * images * _normal(images, generator)
