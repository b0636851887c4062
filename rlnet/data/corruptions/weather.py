"""Weather corruptions: snow, frost, fog and spatter (Hendrycks & Dietterich 2019, Sec. 3).

Every function takes images (B, 3, H, W) in [0, 1], severity 1..5 and a CPU generator, and returns floats of the same
shape that may leave [0, 1]: `corrupt` clips.
"""

import torch
from torch import Generator, Tensor

from rlnet.data.corruptions.constants import constants, length_scale
from rlnet.data.corruptions.frost_pictures import COUNT, frost_pictures
from rlnet.data.corruptions.motion import smear, uniform_angles
from rlnet.data.corruptions.plasma import plasma
from rlnet.data.corruptions.quantise import round_half_up, truncate
from rlnet.data.corruptions.separable import gaussian_filter, zoom
from rlnet.data.corruptions.spatter import MUD, WATER, mud_opacity, water_opacity

_LUMA = (0.299, 0.587, 0.114)


def _layer(images: Tensor, mean: float, std: float, generator: Generator) -> Tensor:
    """One map per image of independent N(mean, std^2), (B, 1, H, W)."""
    batch, _, height, width = images.shape
    return (mean + std * torch.randn(batch, 1, height, width, generator=generator)).to(images.device)


def _color(rgb: tuple[float, float, float], images: Tensor) -> Tensor:
    """A colour as (3, 1, 1) on the device of images."""
    return torch.tensor(rgb, device=images.device)[:, None, None]


def snow(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Snowfall: a whitened image plus flakes and the flakes turned by 180 degrees.

    Flakes are thresholded noise, magnified, and smeared at -135 to -45 degrees: y = s x + (1 - s) max(x, 1.5 gray(x) +
    0.5) + flakes.
    """
    mean, std, flake, threshold, radius, sigma, share = constants("snow", images, severity)
    scale = length_scale(images)
    flakes = zoom(_layer(images, mean, std, generator), flake * scale)
    flakes = truncate(torch.where(flakes < threshold, 0.0, flakes))
    angles = uniform_angles(len(images), -135, -45, generator)
    flakes = round_half_up(smear(flakes, radius * scale, sigma * scale, angles))
    gray = (images * _color(_LUMA, images)).sum(1, keepdim=True)
    white = share * images + (1 - share) * torch.maximum(images, 1.5 * gray + 0.5)
    return white + flakes + flakes.flip(2, 3)


def frost(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Frost on the lens: a x + b f, f a random crop of one of five pictures.

    The pictures are not the benchmark's photographs but noise with their statistics (`frost_pictures`). They have no
    border, so a crop may start anywhere.
    """
    share, thickness = constants("frost", images, severity)
    batch, _, height, width = images.shape
    pictures = frost_pictures(min(height, width)).to(images.device)
    side = pictures.shape[-1]
    which = torch.randint(COUNT, (batch, 1, 1), generator=generator)
    rows = torch.randint(side, (batch, 1, 1), generator=generator) + torch.arange(height)[:, None]
    columns = torch.randint(side, (batch, 1, 1), generator=generator) + torch.arange(width)
    places = ((which * side + rows % side) * side + columns % side).to(images.device)
    crops = pictures.movedim(1, -1).reshape(-1, 3)[places]
    return share * images + thickness * crops.movedim(-1, 1)


def fog(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Fog: (x + t p) m / (m + t), p a plasma cloud in [0, 1], t its thickness and m the largest value of the image."""
    thickness, decay = constants("fog", images, severity)
    batch, _, height, width = images.shape
    side = 1 << (max(height, width) - 1).bit_length()
    clouds = plasma(batch, side, decay, generator)[:, None, :height, :width].to(images.device)
    brightest = images.amax((1, 2, 3), keepdim=True)
    return (images + thickness * clouds) * brightest / (brightest + thickness)


def spatter(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Drops on the lens: x + o water for severities 1 to 3, (1 - o) x + o mud for 4 and 5, o the opacity of `spatter`.

    Drops are blurred noise above a threshold. Their sigma stays in pixels at every image size: the blur's sigma also
    sets the noise's variance, and with it how many drops pass the threshold.
    """
    mean, std, sigma, threshold, strength, mud = constants("spatter", images, severity)
    liquid = gaussian_filter(_layer(images, mean, std, generator), sigma)
    liquid = torch.where(liquid < threshold, 0.0, liquid)
    if mud:
        opacity = mud_opacity(liquid, threshold, strength)
        return (1 - opacity) * images + opacity * _color(MUD, images)
    return images + water_opacity(liquid, strength) * _color(WATER, images)
