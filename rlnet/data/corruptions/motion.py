"""Motion smear: a one-sided Gaussian trail, another angle for every image (ImageMagick's, as in the benchmark).

    y(p) = sum_i w_i x(p + round(i (cos a, sin a))),   w_i ~ exp(-i^2 / (2 sigma^2)),   i = 0 .. 2 ceil(radius)

Pixels beyond the border repeat the border's.
"""

import math

import torch
from torch import Generator, Tensor

# Taps lighter than this move no 8-bit value by a hundredth of a level; leaving them out saves half of the time.
_NEGLIGIBLE = 1e-5


def uniform_angles(count: int, low_degrees: float, high_degrees: float, generator: Generator) -> Tensor:
    """Angles (count,) in radians, uniform between two bounds in degrees, on the CPU."""
    return torch.deg2rad(low_degrees + (high_degrees - low_degrees) * torch.rand(count, generator=generator))


def smear(images: Tensor, radius: float, sigma: float, angles: Tensor) -> Tensor:
    """Smears images (B, C, H, W), image b along angles[b].

    angles: radians, on the CPU, from the x axis towards the y axis, which points down. radius and sigma in pixels.
    Returns (B, C, H, W).
    """
    _, channels, height, width = images.shape
    steps = torch.arange(2 * math.ceil(radius) + 1)
    weights = torch.softmax(-(steps.double() ** 2) / (2 * sigma**2), dim=0)
    steps = steps[weights > _NEGLIGIBLE]
    # A half goes down: ceil(v - 1/2).
    right = (steps[:, None] * angles.cos() - 0.5).ceil().long().to(images.device)
    down = (steps[:, None] * angles.sin() - 0.5).ceil().long().to(images.device)
    flat = images.flatten(2)
    smeared = torch.zeros_like(flat)
    for step in steps.tolist():
        rows = (torch.arange(height, device=images.device) + down[step][:, None]).clamp_(0, height - 1)
        columns = (torch.arange(width, device=images.device) + right[step][:, None]).clamp_(0, width - 1)
        places = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)[:, None].expand(-1, channels, -1)
        smeared.add_(flat.gather(2, places), alpha=weights[step].item())
    return smeared.view_as(images)
