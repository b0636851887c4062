"""Rubber-sheet maps: where an elastic deformation reads each pixel from, and reading there."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from rlnet.data.corruptions.separable import gaussian_filter


def sample(images: Tensor, right: Tensor, down: Tensor, *, repeat_border: bool) -> Tensor:
    """Reads images (B, C, H, W) bilinearly at pixel coordinates right, down (B, H, W).

    Beyond the border the image is reflected, with the last pixel repeated (c b a | a b c) or not (c b | a b c).
    """
    height, width = images.shape[-2:]
    if repeat_border:
        grid = torch.stack([(2 * right + 1) / width - 1, (2 * down + 1) / height - 1], dim=-1)
    else:
        grid = torch.stack([2 * right / (width - 1) - 1, 2 * down / (height - 1) - 1], dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=not repeat_border)


def pixel_grid(images: Tensor) -> tuple[Tensor, Tensor]:
    """Column and row of every pixel of images (..., H, W): two float tensors (H, W)."""
    height, width = images.shape[-2:]
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return right.float(), down.float()


def affine_places(images: Tensor, reach: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Where a random affine map reads every pixel: right and down, (B, H, W) in pixels, on the CPU.

    images: (B, C, H, W), only their shape counts. Three corners of a square around the centre (the centre plus or minus
    a third of the side) move by uniform steps of at most `reach` pixels each way; the map takes them along, and its
    inverse tells where to read.
    """
    batch, _, height, width = images.shape
    arm = min(height, width) // 3
    centre = torch.tensor([width // 2, height // 2])
    corners = (centre + arm * torch.tensor([[1, 1], [1, -1], [-1, -1]])).float()
    moved = corners + reach * (2 * torch.rand(batch, 3, 2, generator=generator) - 1)
    ones = torch.ones(batch, 3, 1)
    # Rows (x, y, 1) of the moved corners times the inverse map are the corners at rest.
    inverse = torch.linalg.solve(torch.cat([moved, ones], dim=2).double(), corners.double().expand(batch, 3, 2)).float()
    right, down = pixel_grid(images)
    places = torch.stack([right, down, torch.ones_like(right)], dim=-1).flatten(0, 1) @ inverse
    return places[..., 0].view(batch, height, width), places[..., 1].view(batch, height, width)


def smooth_moves(images: Tensor, strength: float, sigma: float, generator: Generator) -> Tensor:
    """Smooth random moves (2, B, H, W) in pixels, on the CPU: strength * blur(uniform noise in [-1, 1], sigma px)."""
    batch, _, height, width = images.shape
    noise = 2 * torch.rand(2, batch, height, width, generator=generator) - 1
    return strength * gaussian_filter(noise, sigma, truncate=3.0, edge="mirror")
