"""Blur corruptions: defocus, glass, motion, zoom and Gaussian (Hendrycks & Dietterich 2019, Sec. 3).

Every function takes images (B, 3, H, W) in [0, 1], severity 1..5 and a CPU generator, and returns floats of the same
shape. Radii and sigmas are in pixels and scale with the image (`constants.length_scale`).
"""

import math

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from rlnet.data.corruptions.constants import constants, length_scale
from rlnet.data.corruptions.glass import shuffle
from rlnet.data.corruptions.motion import smear, uniform_angles
from rlnet.data.corruptions.quantise import round_half_up, truncate
from rlnet.data.corruptions.separable import gaussian_filter, zoom


def soft_disk(radius: float, edge_sigma: float) -> Tensor:
    """A disk of sum 1 whose edge is softened by a small Gaussian, (K, K); radius and edge_sigma in pixels.

    The pixels within the radius, convolved with 3 taps of a Gaussian each way (5 for radii above 8).
    """
    taps = 1 if radius <= 8 else 2
    half = math.floor(radius) + taps
    squares = torch.arange(-half, half + 1).double() ** 2
    disk = (squares[:, None] + squares <= radius**2).double()
    weights = torch.softmax(-(torch.arange(-taps, taps + 1).double() ** 2) / (2 * edge_sigma**2), dim=0)
    kernel = F.conv2d((disk / disk.sum())[None, None], torch.outer(weights, weights)[None, None], padding=taps)
    return kernel[0, 0].float()


def defocus_blur(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Out of focus: the mean over a soft-edged disk. Borders reflect without repeating the last pixel."""
    radius, edge_sigma = (length_scale(images) * length for length in constants("defocus_blur", images, severity))
    kernel = soft_disk(radius, edge_sigma).to(images.device)
    padded = F.pad(images, [kernel.shape[0] // 2] * 4, mode="reflect")
    return F.conv2d(padded, kernel.expand(3, 1, -1, -1), groups=3)


def glass_blur(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Through frosted glass: blur, let pixels take near ones' values (`glass`), blur again."""
    sigma, reach, passes = constants("glass_blur", images, severity)
    sigma = sigma * length_scale(images)
    reach = round(reach * length_scale(images))
    moved = truncate(gaussian_filter(images, sigma))
    for _ in range(int(passes)):
        moved = shuffle(moved, reach, generator)
    return gaussian_filter(moved, sigma)


def motion_blur(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """The camera moves: a trail at a random angle of -45 to 45 degrees, rounded to 8 bits."""
    radius, sigma = (length_scale(images) * length for length in constants("motion_blur", images, severity))
    angles = uniform_angles(len(images), -45, 45, generator)
    return round_half_up(smear(images, radius, sigma, angles))


def zoom_blur(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """The camera approaches: the mean of the image and of its zooms by 1, 1.01, 1.02, ...

    The range is numpy's, as in the benchmark: rounding makes it reach 1.06 and 1.11, but not 1.16, 1.21 and 1.26.
    Factors this close to 1 change less the smaller the image; on 8 x 8 severity 1 changes nothing.
    """
    (end,) = constants("zoom_blur", images, severity)
    factors = np.arange(1, end, 0.01)
    return (images + sum(zoom(images, factor) for factor in factors.tolist())) / (len(factors) + 1)


def gaussian_blur(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """A plain Gaussian blur; borders repeat the last pixel."""
    (sigma,) = constants("gaussian_blur", images, severity)
    return gaussian_filter(images, sigma * length_scale(images))
