"""Five pictures of frost on glass, made of noise: a stand-in for the benchmark's photographs, which cannot be shipped.

Frost here is needles (noise drawn out along a few directions, of which the strongest shows) over a haze that covers the
pane unevenly, in a bluish white. The pictures are fixed: a seed of their own makes them, the caller's generator only
chooses crops. Brightness (mean about 0.42) and contrast are set by eye, not measured on the photographs, so accuracies
under `frost` are not comparable with CIFAR-10-C's.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

COUNT = 5
_DIRECTIONS = 7
_TINT = (0.86, 0.95, 1.0)


def _drawn_out(side: int, along: float, across: float, angle: float, generator: torch.Generator) -> Tensor:
    """White noise smoothed by `along` and `across` pixels at an angle in radians: (COUNT, side, side), std 1."""
    down = torch.fft.fftfreq(side)[:, None]
    right = torch.fft.rfftfreq(side)
    u = right * math.cos(angle) + down * math.sin(angle)
    v = down * math.cos(angle) - right * math.sin(angle)
    response = torch.exp(-2 * math.pi**2 * ((along * u) ** 2 + (across * v) ** 2))
    response[0, 0] = 0
    noise = torch.randn(COUNT, side, side, generator=generator)
    smooth = torch.fft.irfft2(torch.fft.rfft2(noise) * response, s=(side, side))
    return smooth / smooth.std(dim=(1, 2), keepdim=True)


@lru_cache(maxsize=4)
def frost_pictures(image_side: int) -> Tensor:
    """Pictures (COUNT, 3, S, S) in [0, 1], S = 4 image_side pixels, on the CPU; always the same."""
    generator = torch.Generator().manual_seed(2019)
    side, scale = 4 * image_side, image_side / 32
    angles = [math.pi * (k + 0.3) / _DIRECTIONS for k in range(_DIRECTIONS)]
    long = torch.stack([_drawn_out(side, 6 * scale, 0.9 * scale, angle, generator) for angle in angles]).amax(0)
    short = torch.stack([_drawn_out(side, 2.5 * scale, 0.5 * scale, angle, generator) for angle in angles]).amax(0)
    haze = _drawn_out(side, 8 * scale, 8 * scale, 0.0, generator)
    cover = torch.sigmoid(2 * haze)
    needles = 0.6 * (long - 1).clamp(min=0) + 0.4 * (short - 1).clamp(min=0)
    gray = (0.15 + 0.2 * cover + (0.25 + 0.75 * cover) * 0.7 * needles).clamp(0, 1)
    return gray[:, None] * torch.tensor(_TINT)[:, None, None]
