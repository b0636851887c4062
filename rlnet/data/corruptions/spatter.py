"""Drops on the lens: where water (severities 1 to 3) or mud (4 and 5) lies, and how opaque it is."""

import cv2
import numpy as np
import torch
from torch import Tensor

from rlnet.data.corruptions.separable import gaussian_filter

WATER = (175 / 255, 238 / 255, 238 / 255)  # pale turquoise, RGB
MUD = (63 / 255, 42 / 255, 20 / 255)  # brown, RGB
_RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32)


def water_opacity(liquid: Tensor, strength: float) -> Tensor:
    """Opacity of water drops, (B, 1, H, W) in [0, strength], from their height, (B, 1, H, W) in [0, 1].

    One image at a time, through OpenCV: edge detection has no batched form. An image without a drop stays dry (the
    benchmark divides by 0).
    """
    heights = (liquid.clamp(0, 1) * 255).to(torch.uint8).cpu().numpy()
    masks = np.empty(heights.shape, dtype=np.float32)
    for index, height in enumerate(heights):
        masks[index, 0] = _water_mask(height[0])
    return strength * torch.from_numpy(masks).to(liquid.device)


def _water_mask(height: np.ndarray) -> np.ndarray:
    """One drop mask, (H, W) float32 with largest value 1, from heights (H, W) uint8.

    1. Find the drops' outlines; 2. take the distance from them, at most 20 px; 3. equalise it and light it from the
    upper left; 4. weigh it by the height.
    """
    outlines = cv2.Canny(height, 50, 150)  # 1.
    distance = np.minimum(cv2.distanceTransform(255 - outlines, cv2.DIST_L2, 5), 20)  # 2.
    even = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))  # 3.
    lit = cv2.blur(cv2.filter2D(even, cv2.CV_8U, _RELIEF), (3, 3))
    mask = height.astype(np.float32) * lit  # 4.
    return mask / max(float(mask.max()), 1.0)


def mud_opacity(liquid: Tensor, threshold: float, sigma: float) -> Tensor:
    """Opacity of mud (B, 1, H, W): where its height exceeds the threshold, blurred by sigma pixels, if above 0.8."""
    opacity = gaussian_filter((liquid > threshold).float(), sigma)
    return torch.where(opacity < 0.8, 0.0, opacity)
