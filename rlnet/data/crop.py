"""Random crop with zero padding, and mirror image, of a whole batch at once."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad


def crop_flip(images: Tensor, draws: np.ndarray, padding: int, flip: bool) -> Tensor:
    """Crops of the images' own size (B, C, H, W) from the images padded by `padding` black pixels on all sides.

    draws (B, 3), uniform in [0, 1): row and column of the crop, and whether it is mirrored (below 0.5, if flip allows).
    """
    if padding == 0 and not flip:
        return images
    batch, _, height, width = images.shape
    corners = torch.from_numpy((draws[:, :2] * (2 * padding + 1)).astype(np.int64))
    mirrored = torch.from_numpy(draws[:, 2] < 0.5)[:, None] & flip
    columns = torch.where(mirrored, torch.arange(width - 1, -1, -1), torch.arange(width))
    columns = corners[:, 1:] + columns
    rows = corners[:, :1] + torch.arange(height)
    padded = pad(images, [padding] * 4).movedim(1, 3).contiguous()
    cropped = padded[torch.arange(batch)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cropped.movedim(3, 1).contiguous()
