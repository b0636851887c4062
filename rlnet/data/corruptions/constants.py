"""The benchmark's constants, one row per severity: for 32 x 32 images (CIFAR-10-C) and 64 x 64 (Tiny-ImageNet-C).

Source: Hendrycks & Dietterich 2019 and the scripts released with it, which made the benchmark's files. The benchmark
says nothing of other sizes; the rule there is ours. Images whose shorter side is below 64 take the rows of 32, all
others those of 64. Constants that are lengths in pixels (marked px) are then multiplied by `length_scale`, so a larger
image is corrupted over the same fraction of its width. Lengths never shrink: on images below 32 some blurs would do
nothing.
"""

from torch import Tensor

Rows = tuple[tuple[float, ...], ...]


def _column(*values: float) -> Rows:
    """Rows of one constant each."""
    return tuple((value,) for value in values)


CONSTANTS: dict[str, dict[int, Rows]] = {
    # standard deviation
    "gaussian_noise": {32: _column(0.04, 0.06, 0.08, 0.09, 0.10), 64: _column(0.04, 0.08, 0.12, 0.15, 0.18)},
    # photons at full brightness
    "shot_noise": {32: _column(500, 250, 100, 75, 50), 64: _column(250, 100, 50, 30, 15)},
    # fraction of values replaced
    "impulse_noise": {32: _column(0.01, 0.02, 0.03, 0.05, 0.07), 64: _column(0.01, 0.02, 0.05, 0.08, 0.14)},
    # standard deviation, relative to the value
    "speckle_noise": {32: _column(0.06, 0.1, 0.12, 0.16, 0.2), 64: _column(0.15, 0.2, 0.25, 0.3, 0.35)},
    # sigma px
    "gaussian_blur": {32: _column(0.4, 0.6, 0.7, 0.8, 1), 64: _column(0.5, 0.75, 1, 1.25, 1.5)},
    # sigma px, largest move px, passes
    "glass_blur": {
        32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        64: ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
    },
    # radius px, sigma px of the disk's soft edge
    "defocus_blur": {
        32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        64: ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
    },
    # radius px, sigma px
    "motion_blur": {
        32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        64: ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
    },
    # end of the range of zoom factors, which starts at 1 and goes in steps of 0.01
    "zoom_blur": {32: _column(1.06, 1.11, 1.16, 1.21, 1.26), 64: _column(1.06, 1.11, 1.16, 1.21, 1.26)},
    # mean, standard deviation, flake size px, threshold, motion radius px, motion sigma px, share of the image
    "snow": {
        32: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        64: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
    },
    # share of the image, share of the frost
    "frost": {
        32: ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        64: ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
    },
    # thickness, decay of the roughness from one octave to the next
    "fog": {
        32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        64: ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
    },
    # mean, standard deviation, sigma of the drops in pixels (never scaled: see weather.spatter), threshold,
    # opacity of water or sigma of mud, whether it is mud
    "spatter": {
        32: (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        64: (
            (0.62, 0.1, 0.7, 0.7, 0.6, 0),
            (0.65, 0.1, 0.8, 0.7, 0.6, 0),
            (0.65, 0.3, 1, 0.69, 0.6, 0),
            (0.65, 0.1, 0.7, 0.68, 0.6, 1),
            (0.65, 0.1, 0.5, 0.67, 0.6, 1),
        ),
    },
    # added to the value of HSV
    "brightness": {32: _column(0.05, 0.1, 0.15, 0.2, 0.3), 64: _column(0.1, 0.2, 0.3, 0.4, 0.5)},
    # factor on the distance from the mean
    "contrast": {32: _column(0.75, 0.5, 0.4, 0.3, 0.15), 64: _column(0.4, 0.3, 0.2, 0.1, 0.05)},
    # displacement, its smoothness, movement of the three anchor points: fractions of the side
    "elastic_transform": {
        32: ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        64: ((0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)),
    },
    # side of the small picture, as a fraction
    "pixelate": {32: _column(0.95, 0.9, 0.85, 0.75, 0.65), 64: _column(0.9, 0.8, 0.7, 0.6, 0.5)},
    # JPEG quality
    "jpeg_compression": {32: _column(80, 65, 58, 50, 40), 64: _column(65, 58, 50, 40, 25)},
    # factor and offset of the saturation of HSV
    "saturate": {
        32: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        64: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
    },
}


def reference_side(images: Tensor) -> int:
    """The side (32 or 64) of the benchmark whose constants images (..., H, W) take."""
    return 64 if min(images.shape[-2:]) >= 64 else 32


def constants(name: str, images: Tensor, severity: int) -> tuple[float, ...]:
    """The row of a corruption for images (..., H, W) at severity 1..5."""
    return CONSTANTS[name][reference_side(images)][severity - 1]


def length_scale(images: Tensor) -> float:
    """What lengths in pixels are multiplied by for images (..., H, W): shorter side / side of their benchmark, or 1."""
    return max(1.0, min(images.shape[-2:]) / reference_side(images))
