"""The 8-bit grid that the benchmark's files lie on.

The benchmark stores `uint8(255 x)`, which cuts the fraction off. Values that mean k / 255 may come out a float's
breadth below it, so a thousandth of a level is added first: far above float32's error, far below what changes an image.
"""

from torch import Tensor

_SLACK_LEVELS = 1e-3


def truncate(images: Tensor) -> Tensor:
    """Floors images to k / 255 after clipping them to [0, 1]: floor(255 clip(x)) / 255. Any shape."""
    return (images.clamp(0, 1) * 255 + _SLACK_LEVELS).floor() / 255


def round_half_up(images: Tensor) -> Tensor:
    """Rounds images in [0, 1] to the nearest k / 255, halves up, as image libraries do. Any shape."""
    return (images * 255 + 0.5 + _SLACK_LEVELS).floor() / 255
