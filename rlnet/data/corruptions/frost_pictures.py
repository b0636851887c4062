"""Five pictures of frost on glass, made of noise: a stand-in for the benchmark's photographs, which cannot be shipped.

Each picture has the statistics of one photograph (`frost_statistics`): mean, spread and correlation of its colours, the
distribution of its brightness, and how fast brightness changes with distance. It is noise of random phases under a given
power, moved to a given distribution; needles and ferns it has none. The pictures are fixed: a seed of their own makes
them, the caller's generator only chooses crops. How near accuracies come to those under the photographs is measured in
docs/evaluation.md.
"""

from functools import lru_cache

import torch
from torch import Generator, Tensor

from rlnet.data.corruptions.frost_statistics import PHOTOGRAPHS, QUANTILES, SIGMAS, Frost

COUNT = len(PHOTOGRAPHS)


def _spectrum(side: int, shares: tuple[float, ...], scale: float) -> Tensor:
    """The power of noise on a torus at rfft2's frequencies, (side, side / 2 + 1).

    It is the sum over k of shares[k] times the power, of sum 1 and 0 at frequency 0, of white noise blurred by scale
    SIGMAS[k] pixels.
    """
    steps = torch.arange(side).double()
    distances_squared = torch.minimum(steps, side - steps) ** 2
    power = torch.zeros(side, side // 2 + 1).double()
    for share, sigma in zip(shares, SIGMAS, strict=True):
        response = torch.fft.fft(torch.exp(-distances_squared / (2 * (scale * sigma) ** 2))).real ** 2
        power += share / (response.sum() ** 2 - response[0] ** 2) * response[:, None] * response[: side // 2 + 1]
    power[0, 0] = 0
    return power


def _random_phases(power: Tensor, generator: Generator) -> Tensor:
    """Two independent fields (2, side, side) of mean 0 whose power is as given: white noise lends them its phases only."""
    side = len(power)
    noise = torch.fft.rfft2(torch.randn(2, side, side, generator=generator, dtype=torch.float64))
    return torch.fft.irfft2(noise / noise.abs() * power.sqrt(), s=(side, side))


def _shaped(fields: Tensor, shape: tuple[float, ...]) -> Tensor:
    """Fields (C, N) moved monotonically to one distribution of mean 0 and std 1, whose quantiles are as `shape`.

    Between its quantiles the distribution is a piece of a normal one; beyond the outer ones there is nothing.
    """
    knots, heights = torch.special.ndtri(torch.tensor(QUANTILES).double()), torch.tensor(shape).double()
    places = torch.special.ndtri((torch.arange(fields.shape[1]).double() + 0.5) / fields.shape[1]).clamp(knots[0], knots[-1])
    above = torch.searchsorted(knots, places).clamp(min=1)
    share = (places - knots[above - 1]) / (knots[above] - knots[above - 1])
    values = torch.lerp(heights[above - 1], heights[above], share)
    values = (values - values.mean()) / values.std()
    return torch.empty_like(fields).scatter_(1, fields.argsort(1), values.expand_as(fields))


def _picture(frost: Frost, side: int, reference_side: int, scale: float, generator: Generator) -> Tensor:
    """One picture (3, side, side) in [0, 1]."""
    noise = _random_phases(_spectrum(side, frost.shares[reference_side], scale), generator)
    hues = torch.deg2rad(torch.tensor(frost.hue_degrees).double())
    channels = torch.stack([hues.cos(), hues.sin()], dim=1) @ noise.flatten(1)
    std = torch.tensor(frost.std) * (frost.fade if reference_side == 64 else 1)
    levels = torch.tensor(frost.mean)[:, None] + std[:, None] * _shaped(channels, frost.shape)
    return (levels / 255).clamp(0, 1).view(3, side, side).float()


@lru_cache(maxsize=4)
def frost_pictures(image_side: int) -> Tensor:
    """Pictures (COUNT, 3, S, S) in [0, 1] for images of a side, S = 4 image_side, on the CPU; always the same.

    They have no border: what leaves on one side comes in on the other. Below 64 pixels they look as the benchmark's do at
    32, else as at 64, with lengths scaled as everywhere (`constants`).
    """
    reference_side = 64 if image_side >= 64 else 32
    scale, generator = max(1.0, image_side / reference_side), Generator().manual_seed(2019)
    return torch.stack([_picture(frost, 4 * image_side, reference_side, scale, generator) for frost in PHOTOGRAPHS])
