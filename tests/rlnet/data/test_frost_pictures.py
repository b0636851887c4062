"""The made pictures of frost measure as the benchmark's photographs do.

The photographs were measured on every second crop (down and across) that CIFAR-10-C (32 pixels, photographs shrunk to
0.2) and Tiny-ImageNet-C (64 pixels, shrunk to 0.3) can draw; brightness is 0.299 R + 0.587 G + 0.114 B in 8-bit levels.
Its second and third photograph are the same.
"""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from rlnet.data.corruptions.frost_pictures import COUNT, frost_pictures

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAGS_PIXELS = (1, 2, 4, 8, 16)
Numbers = tuple[float, ...]


@dataclass
class Measured:
    """Colours' means and stds; brightness: std within crops, std of crops' means, quantiles, variogram over variance."""

    mean: Numbers
    std: Numbers
    within: float
    between: float
    quantiles: Numbers
    variogram: Numbers


PHOTOGRAPHS = {
    32: {
        0: Measured(
            *((76.8, 148.2, 164.8), (27.6, 16.3, 14.8), 14.7, 11.2),
            *((102.5, 115.1, 126.5, 140.1, 162.8), (0.30, 0.33, 0.39, 0.48, 0.63)),
        ),
        1: Measured(
            *((198.6, 203.0, 212.3), (19.8, 20.5, 21.3), 18.2, 9.1),
            *((164.8, 191.9, 206.1, 217.1, 229.4), (0.50, 0.59, 0.63, 0.69, 0.78)),
        ),
        3: Measured(
            *((143.5, 158.3, 171.0), (27.9, 27.9, 29.2), 26.1, 10.2),
            *((107.7, 139.0, 156.1, 171.7, 198.8), (0.67, 0.72, 0.73, 0.77, 0.83)),
        ),
        4: Measured(
            *((103.0, 114.3, 126.1), (39.1, 38.5, 37.4), 35.0, 16.1),
            *((55.8, 83.4, 108.8, 136.8, 181.3), (0.53, 0.63, 0.72, 0.75, 0.81)),
        ),
    },
    64: {
        0: Measured(
            *((77.0, 147.8, 164.2), (26.9, 15.7, 14.1), 14.8, 10.0),
            *((103.2, 115.2, 126.0, 139.4, 162.4), (0.21, 0.23, 0.27, 0.35, 0.47)),
        ),
        1: Measured(
            *((198.4, 202.8, 212.1), (18.8, 19.6, 20.4), 18.4, 6.4),
            *((165.8, 191.8, 205.7, 216.6, 228.8), (0.36, 0.49, 0.55, 0.59, 0.67)),
        ),
        3: Measured(
            *((144.6, 159.4, 172.3), (24.4, 24.4, 25.9), 23.5, 7.0),
            *((113.9, 142.0, 157.7, 171.8, 193.8), (0.54, 0.61, 0.67, 0.70, 0.76)),
        ),
        4: Measured(
            *((101.6, 112.9, 124.8), (35.7, 35.1, 34.0), 32.9, 12.5),
            *((58.1, 85.8, 107.8, 133.2, 173.0), (0.38, 0.52, 0.65, 0.73, 0.77)),
        ),
    },
}
for measured in PHOTOGRAPHS.values():
    measured[2] = measured[1]


def brightness(pictures: Tensor) -> Tensor:
    """Pictures (..., 3, S, S) in [0, 1] as brightness (..., S, S) in levels."""
    return 255 * (pictures.double() * torch.tensor([0.299, 0.587, 0.114]).double()[:, None, None]).sum(-3)


def crops(picture: Tensor, side: int) -> Tensor:
    """Crops (N, side, side) of a picture (S, S) without borders, at every fourth place down and across."""
    wrapped = torch.cat([picture, picture[:side]])
    wrapped = torch.cat([wrapped, wrapped[:, :side]], dim=1)
    return wrapped.unfold(0, side, 4).unfold(1, side, 4)[:-1, :-1].flatten(0, 1)


def variogram(picture: Tensor, lag_pixels: int) -> float:
    """Half the mean squared difference of values at a distance, down and across, over the variance."""
    squares = torch.stack([(picture - picture.roll(lag_pixels, axis)).square().mean() for axis in (0, 1)])
    return (squares.mean() / 2 / picture.var()).item()


@pytest.mark.parametrize("index", range(COUNT))
@pytest.mark.parametrize("side", [32, 64])
def test_statistics_are_those_of_the_photographs(side: int, index: int) -> None:
    """Means of colours and the quartiles within 2.5 levels, stds within 1 to 2, tails within 4, the variogram within 0.06."""
    measured, picture = PHOTOGRAPHS[side][index], frost_pictures(side)[index]
    levels = 255 * picture.double()
    assert levels.mean((1, 2)).tolist() == pytest.approx(measured.mean, abs=2)
    assert levels.std((1, 2)).tolist() == pytest.approx(measured.std, abs=1)

    gray = brightness(picture)
    parts = crops(gray, side)
    assert parts.var((1, 2), correction=0).mean().sqrt().item() == pytest.approx(measured.within, abs=1.5)
    assert parts.mean((1, 2)).std().item() == pytest.approx(measured.between, abs=2)
    found = gray.flatten().quantile(torch.tensor(QUANTILES).double()).tolist()
    assert found[1:-1] == pytest.approx(measured.quantiles[1:-1], abs=2.5)
    assert found == pytest.approx(measured.quantiles, abs=4)
    assert [variogram(gray, lag) for lag in LAGS_PIXELS] == pytest.approx(measured.variogram, abs=0.06)


@pytest.mark.parametrize("side", [32, 64])
def test_pictures_together_are_as_bright_as_the_photographs(side: int) -> None:
    """162 of 255 over the five; the textures that stood here before had 107."""
    assert 255 * frost_pictures(side).double().mean().item() == pytest.approx(161.8, abs=1)


def test_pictures_are_fixed_and_differ() -> None:
    first = frost_pictures(32)
    frost_pictures.cache_clear()
    assert torch.equal(frost_pictures(32), first)
    assert not torch.equal(first[1], first[2])  # one photograph, but two pictures
    assert 0 <= first.min() <= first.max() <= 1


def test_pictures_have_no_border() -> None:
    """Over the seam values differ as elsewhere; over the border of a photograph they would differ two to four times as much."""
    gray = brightness(frost_pictures(64))
    down, right = (gray - gray.roll(1, 1)).square(), (gray - gray.roll(1, 2)).square()
    seam = (down[:, 0].mean() + right[:, :, 0].mean()) / 2
    assert seam.item() == pytest.approx((down.mean() + right.mean()).item() / 2, rel=0.25)


def test_structure_grows_with_the_image() -> None:
    """At twice the side, twice the distance gives the same variogram; below 32 nothing shrinks."""
    for small, large in zip(brightness(frost_pictures(64)), brightness(frost_pictures(128)), strict=True):
        for lag in LAGS_PIXELS[1:]:
            assert variogram(large, 2 * lag) == pytest.approx(variogram(small, lag), abs=0.06)
    for small, large in zip(brightness(frost_pictures(16)), brightness(frost_pictures(32)), strict=True):
        assert variogram(small, 1) == pytest.approx(variogram(large, 1), abs=0.06)
