"""Digital corruptions: light, colour, elastic transform, pixelation and JPEG (Hendrycks & Dietterich 2019, Sec. 3).

Every function takes images (B, 3, H, W) in [0, 1], severity 1..5 and a CPU generator, and returns floats of the same
shape.
"""

import cv2
import numpy as np
import torch
from torch import Generator, Tensor

from rlnet.data.corruptions.constants import constants
from rlnet.data.corruptions.elastic import affine_places, pixel_grid, sample, smooth_moves
from rlnet.data.corruptions.quantise import round_half_up
from rlnet.data.corruptions.separable import box_matrix


def brightness(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Adds to the value of HSV: x v' / v, v = max over channels, v' = min(v + c, 1); black becomes the gray v'."""
    (offset,) = constants("brightness", images, severity)
    value = images.amax(1, keepdim=True)
    brighter = (value + offset).clamp(max=1)
    return torch.where(value > 0, images * (brighter / value.clamp(min=1e-6)), brighter)


def saturate(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Scales and shifts the saturation of HSV: v (1 - s' d), s' = clip(a s + b, 0, 1), d = (v - x) / (v - min).

    v and min over channels, s = (v - min) / v. Gray has no hue; as in the benchmark its hue counts as red, d = (0, 1,
    1), so severities 4 and 5 (b > 0) tint gray pixels.
    """
    factor, offset = constants("saturate", images, severity)
    value, least = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    spread = value - least
    saturation = spread / value.clamp(min=1e-6)
    red = torch.tensor([0.0, 1.0, 1.0], device=images.device)[:, None, None]
    hue = torch.where(spread > 0, (value - images) / spread.clamp(min=1e-6), red)
    return value * (1 - (saturation * factor + offset).clamp(0, 1) * hue)


def contrast(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Draws values towards their mean: c (x - m) + m, m the mean of each channel of each image."""
    (factor,) = constants("contrast", images, severity)
    mean = images.mean((2, 3), keepdim=True)
    return (images - mean) * factor + mean


def elastic_transform(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Stretches like a rubber sheet: a random affine map, then smooth random moves (both of `elastic`).

    OpenCV, which the benchmark warps with, rounds places to 1/32 of a pixel; here they are exact.
    """
    strength, smoothness, reach = (min(images.shape[2:]) * part for part in constants("elastic_transform", images, severity))
    right, down = (places.to(images.device) for places in affine_places(images, reach, generator))
    images = sample(images, right, down, repeat_border=False)
    moves = smooth_moves(images, strength, smoothness, generator)
    right, down = (
        places.to(images.device) for places in (grid + move for grid, move in zip(pixel_grid(images), moves, strict=True))
    )
    return sample(images, right, down, repeat_border=True)


def pixelate(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Box-resizes the image to a smaller one and back; columns first, rounded to 8 bits after each axis."""
    (fraction,) = constants("pixelate", images, severity)
    height, width = images.shape[2:]
    small = int(height * fraction), int(width * fraction)
    levels = round_half_up(images)
    for before, after in (((height, width), small), (small, (height, width))):
        rows, columns = (box_matrix(b, a).to(images.device) for b, a in zip(before, after, strict=True))
        levels = round_half_up(rows @ round_half_up(levels @ columns.T))
    return levels


def jpeg_compression(images: Tensor, severity: int, generator: Generator) -> Tensor:
    """Compresses to JPEG (libjpeg, chroma at half resolution) and back, one image at a time."""
    (quality,) = constants("jpeg_compression", images, severity)
    settings = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    pictures = (
        (round_half_up(images) * 255).round().to(torch.uint8).flip(1).movedim(1, -1).cpu().contiguous().numpy()
    )  # BGR, for OpenCV
    decoded = np.empty_like(pictures)
    for index, picture in enumerate(pictures):
        decoded[index] = cv2.imdecode(cv2.imencode(".jpg", picture, settings)[1], cv2.IMREAD_COLOR)
    return torch.from_numpy(decoded).to(images.device).movedim(-1, 1).flip(1).float() / 255
