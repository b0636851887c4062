"""Plasma clouds by the diamond-square algorithm (Fournier et al. 1982), periodic as in the benchmark's fog."""

import torch
from torch import Generator, Tensor


def _rough(sums: Tensor, roughness: float, generator: Generator) -> Tensor:
    """The mean of four neighbours, from their sums, plus uniform noise of +- roughness^2 (the benchmark squares it)."""
    return sums / 4 + roughness**2 * (2 * torch.rand(sums.shape, generator=generator) - 1)


def plasma(batch: int, side: int, decay: float, generator: Generator) -> Tensor:
    """Height maps (batch, side, side) on the CPU, each stretched to [0, 1].

    side: a power of two. decay: what the roughness is divided by from one octave to the next. Steps:
    1. Start from one corner, 0. While the grid is coarser than pixels:
    2. squares: the middle of four corners is their mean plus noise;
    3. diamonds: the middle of every edge is the mean of its two corners and two middles plus noise;
    4. halve the step, divide the roughness by `decay`.
    """
    assert side & (side - 1) == 0, side
    heights = torch.zeros(batch, side, side)  # 1.
    step, roughness = side, 100.0
    while step >= 2:
        half = step // 2
        corners = heights[:, ::step, ::step]
        pairs = corners + corners.roll(-1, 1)
        heights[:, half::step, half::step] = _rough(pairs + pairs.roll(-1, 2), roughness, generator)  # 2.
        middles = heights[:, half::step, half::step]
        above = middles + middles.roll(1, 1) + corners + corners.roll(-1, 2)
        heights[:, ::step, half::step] = _rough(above, roughness, generator)  # 3.
        beside = middles + middles.roll(1, 2) + corners + corners.roll(-1, 1)
        heights[:, half::step, ::step] = _rough(beside, roughness, generator)
        step, roughness = half, roughness / decay  # 4.
    heights -= heights.amin((1, 2), keepdim=True)
    return heights / heights.amax((1, 2), keepdim=True)
