"""Images for the tests of corruptions that change as slowly as photographs, and the generators that corruptions draw from."""

import math

import torch
from torch import Tensor


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth_images(count: int, height: int, width: int) -> Tensor:
    """Sums of plane waves, weaker at higher frequencies as in photographs; (count, 3, height, width), 8-bit."""
    generator = seeded(1)
    down, right = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    waves = torch.zeros(count, 3, height, width)
    for octave in range(1, 5):
        frequency = 2 * math.pi * octave * torch.randn(count, 3, 2, 1, 1, generator=generator)
        phase = 2 * math.pi * torch.rand(count, 3, 1, 1, generator=generator)
        waves += torch.sin(frequency[:, :, 0] * right + frequency[:, :, 1] * down + phase) / octave
    return ((0.5 + 0.2 * waves).clamp(0, 1) * 255).round() / 255
