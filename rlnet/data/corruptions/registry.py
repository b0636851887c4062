"""A corruption by name, applied to a batch of images: `corrupt(images, name, severity, generator=...)`."""

from collections.abc import Callable

import torch
from torch import Tensor

from rlnet.data.corruptions import blur, digital, noise, weather
from rlnet.data.corruptions.names import SEVERITIES, SMALLEST_SIDE
from rlnet.data.corruptions.quantise import truncate

Corruption = Callable[[Tensor, int, torch.Generator], Tensor]

_BENCHMARK: dict[str, Corruption] = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": digital.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg_compression,
}
_VALIDATION: dict[str, Corruption] = {
    "speckle_noise": noise.speckle_noise,
    "gaussian_blur": blur.gaussian_blur,
    "spatter": weather.spatter,
    "saturate": digital.saturate,
}


def corrupt(images: Tensor, name: str, severity: int, *, generator: torch.Generator) -> Tensor:
    """Corrupts a batch, each image with its own randomness.

    images: (B, 3, H, W) floats in [0, 1] on any device, H and W at least 8. name: one of `CORRUPTIONS` or `EXTRA`.
    severity: 1 (mild) to 5. generator: a CPU generator; all randomness is drawn from it, so its state and the batch fix
    the result. Returns float32 in [0, 1] of the same shape and device, on the 8-bit grid k / 255 as the benchmark's
    files are. Raises ValueError.
    """
    registry = _BENCHMARK | _VALIDATION
    if name not in registry:
        raise ValueError(f"unknown corruption {name!r}; choose one of {', '.join(registry)}")
    check_severity(severity)
    _check_images(images)
    return truncate(registry[name](images.float(), severity, generator))


def check_severity(severity: int) -> None:
    """Raises ValueError unless severity is one of the benchmark's."""
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity!r}; choose a whole number from 1 to 5")


def _check_images(images: Tensor) -> None:
    """Raises ValueError unless images are floats in [0, 1] of shape (B, 3, H, W) with sides of 8 or more."""
    if not images.is_floating_point():
        raise ValueError(f"images have dtype {images.dtype}; give floats in [0, 1], for example images.float() / 255")
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"images have shape {tuple(images.shape)}; give (B, 3, H, W), gray images repeated to three channels")
    if min(images.shape[2:]) < SMALLEST_SIDE:
        raise ValueError(f"images have shape {tuple(images.shape)}; resize them to at least {SMALLEST_SIDE} x {SMALLEST_SIDE}")
    if images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images lie in [{images.min():g}, {images.max():g}]; scale them to [0, 1]")
