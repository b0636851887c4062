"""What was measured on the benchmark's five photographs of frost, as it shrinks and crops them.

The photographs are those released with the benchmark (Hendrycks & Dietterich 2019; in the PyPI package
`imagecorruptions` 1.1.2), shrunk by OpenCV to 0.2 of their size with crops of 32 pixels (CIFAR-10-C) and to 0.3 with
crops of 64 (Tiny-ImageNet-C). Brightness is in 8-bit levels. No pixel of them is here; `frost_pictures` makes noise with
these statistics.
"""

from dataclasses import dataclass

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
SIGMAS = (0.3, 1.0, 4.0, 12.0, 24.0)


@dataclass(frozen=True)
class Frost:
    """The statistics of one photograph.

    mean, std: of red, green and blue, in 8-bit levels, at crops of 32. fade: std at crops of 64 over that at 32.
    hue_degrees: channels correlate as vectors at these angles do, by the cosine of the angle between them. shape:
    brightness, minus its mean and over its std, at `QUANTILES`. shares: by the side of the crop, the parts of the
    variance that white noise blurred by `SIGMAS` pixels must have to give the photograph's variogram (the mean squared
    difference of two pixels by their distance); they sum to 1.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fade: float
    hue_degrees: tuple[float, float, float]
    shape: tuple[float, ...]
    shares: dict[int, tuple[float, ...]]


_BLUE = Frost(
    mean=(76.6, 148.1, 164.7),
    std=(27.5, 16.2, 14.8),
    fade=0.96,
    hue_degrees=(-34, 0, 22),
    shape=(-2.1, -1.79, -1.42, -0.74, -0.12, 0.61, 1.85, 2.72, 3.6),
    shares={32: (0.29, 0.08, 0.12, 0.42, 0.09), 64: (0.20, 0.05, 0.11, 0.23, 0.41)},
)
_WHITE = Frost(
    mean=(198.4, 202.9, 212.2),
    std=(19.8, 20.5, 21.3),
    fade=0.96,
    hue_degrees=(-5, 0, 4),
    shape=(-5.0, -2.94, -1.86, -0.53, 0.17, 0.71, 1.31, 1.66, 2.02),
    shares={32: (0.49, 0.13, 0.06, 0.32, 0.00), 64: (0.33, 0.21, 0.00, 0.42, 0.04)},
)
_GRAINY = Frost(
    mean=(143.5, 158.3, 171.0),
    std=(27.8, 27.9, 29.1),
    fade=0.88,
    hue_degrees=(-4, 0, 4),
    shape=(-3.6, -2.73, -1.7, -0.58, 0.03, 0.59, 1.55, 2.78, 3.45),
    shares={32: (0.68, 0.04, 0.06, 0.22, 0.00), 64: (0.51, 0.15, 0.00, 0.28, 0.06)},
)
_DARK = Frost(
    mean=(102.7, 114.1, 125.9),
    std=(38.9, 38.2, 37.2),
    fade=0.91,
    hue_degrees=(-2, 0, 2),
    shape=(-2.06, -1.79, -1.47, -0.75, -0.08, 0.63, 1.79, 2.66, 3.56),
    shares={32: (0.48, 0.24, 0.03, 0.20, 0.05), 64: (0.31, 0.33, 0.09, 0.09, 0.18)},
)
# The benchmark's second and third file hold the same photograph.
PHOTOGRAPHS = (_BLUE, _WHITE, _WHITE, _GRAINY, _DARK)
