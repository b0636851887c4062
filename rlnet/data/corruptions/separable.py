"""Blur, zoom and box resizing along an axis, each as one small matrix, and `along_both` to apply two of them.

A matrix (out, in) holds the border rule too, so any image size works and a batch is two matrix products.
"""

import math
from typing import Literal

import torch
from torch import Tensor

Edge = Literal["nearest", "mirror"]


def along_both(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows @ images @ columns^T: images (..., H, W), rows (H', H), columns (W', W), returns (..., H', W')."""
    return rows.to(images.device) @ (images @ columns.to(images.device).T)


def gaussian_matrix(size: int, sigma: float, *, truncate: float = 4.0, edge: Edge = "nearest") -> Tensor:
    """Gaussian blur of a line of `size` pixels, (size, size): w_k ~ exp(-k^2 / (2 sigma^2)).

    |k| <= floor(truncate sigma + 1/2). sigma in pixels; 0 is the identity. edge: beyond the border, `nearest` repeats
    the last pixel and `mirror` reflects (c b a | a b c), as scipy's `nearest` and `reflect`, which the benchmark uses.
    """
    reach = int(truncate * sigma + 0.5)
    if reach == 0:
        return torch.eye(size)
    steps = torch.arange(-reach, reach + 1)
    weights = torch.softmax(-(steps.double() ** 2) / (2 * sigma**2), dim=0).float()
    sources = torch.arange(size)[:, None] + steps
    if edge == "nearest":
        sources = sources.clamp(0, size - 1)
    else:
        sources = sources % (2 * size)
        sources = torch.minimum(sources, 2 * size - 1 - sources)
    return torch.zeros(size, size).scatter_add_(1, sources, weights.expand(size, -1))


def gaussian_filter(images: Tensor, sigma: float, *, truncate: float = 4.0, edge: Edge = "nearest") -> Tensor:
    """Gaussian blur of images (..., H, W), sigma in pixels; options as in `gaussian_matrix`."""
    height, width = images.shape[-2:]
    rows = gaussian_matrix(height, sigma, truncate=truncate, edge=edge)
    columns = gaussian_matrix(width, sigma, truncate=truncate, edge=edge)
    return along_both(images, rows, columns)


def zoom_matrix(size: int, factor: float) -> Tensor:
    """Zoom into the middle of a line, (size, size): cut ceil(size / factor) pixels out, stretch them, cut to size.

    factor >= 1. The stretch is linear and maps end pixels to end pixels, over round(factor ceil(size / factor)) pixels,
    as scipy's zoom of order 1 does.
    """
    inner = math.ceil(size / factor)
    start = (size - inner) // 2
    stretched = round(inner * factor)
    outputs = (stretched - size) // 2 + torch.arange(size)
    places = outputs.double() * (inner - 1) / (stretched - 1)
    left = places.floor().long().clamp(max=inner - 2)
    share = (places - left).float()[:, None]
    matrix = torch.zeros(size, size).scatter_add_(1, start + left[:, None], 1 - share)
    return matrix.scatter_add_(1, start + left[:, None] + 1, share)


def zoom(images: Tensor, factor: float) -> Tensor:
    """Zooms into the middle of images (..., H, W) and keeps their shape."""
    height, width = images.shape[-2:]
    return along_both(images, zoom_matrix(height, factor), zoom_matrix(width, factor))


def box_matrix(source: int, target: int) -> Tensor:
    """Box resizing of a line, (target, source): the mean of the source pixels whose centres lie in the target pixel.

    A target pixel that is smaller than a source pixel takes the one it falls in. This is Pillow's BOX filter, not the
    mean by area.
    """
    scale = source / target
    reach = max(scale, 1.0) / 2
    middles = (torch.arange(target).double() + 0.5) * scale
    centres = torch.arange(source).double() + 0.5
    distance = centres - middles[:, None]
    inside = (distance > -reach) & (distance <= reach)
    return (inside / inside.sum(dim=1, keepdim=True)).float()
