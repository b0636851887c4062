"""AugMix: mixtures of randomly composed image operations (Hendrycks et al. 2020, ICLR, Sec. 3, Alg. 1).

As in the paper, colour, contrast, brightness and sharpness, which resemble corruptions of the test, are left out.
"""

import os
from collections.abc import Callable

import cv2
import numpy as np

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # albumentations asks its server for its newest version when imported

from albumentations.augmentations.geometric import functional as geometric
from albumentations.augmentations.pixel import functional as pixel

from rlnet.data.config import LEAST_LEVEL, AugMixConfig

MAX_DEPTH = 3
Image = np.ndarray  # uint8 (H, W, C)


def augmix(image: Image, rng: np.random.Generator, config: AugMixConfig) -> np.ndarray:
    """An augmented image, float32 (H, W, C) in [0, 1], of a uint8 one (Alg. 1).

    x_augmix = m x + (1 - m) sum_i w_i chain_i(x),   w ~ Dirichlet(alpha, ..., alpha),   m ~ Beta(alpha, alpha)
    """
    # 1. Mixing weights of the chains.
    weights = rng.dirichlet([config.alpha] * config.width)
    mixed = np.zeros(image.shape, dtype=np.float32)
    for weight in weights:
        # 2. One chain: operations drawn with replacement, each with its own strength and sign.
        depth = config.depth if config.depth > 0 else rng.integers(1, MAX_DEPTH + 1)
        chain = image
        for operation in rng.integers(len(OPERATIONS), size=depth):
            level, sign = rng.uniform(LEAST_LEVEL, config.severity), 1 - 2 * int(rng.integers(2))
            chain = _OPERATIONS[operation](chain, level, sign)
        mixed += np.float32(weight / 255) * chain
    # 3. Skip connection.
    m = rng.beta(config.alpha, config.alpha)
    return np.minimum(np.float32(m / 255) * image + np.float32(1 - m) * mixed, 1)


def autocontrast(image: Image, level: float, sign: int) -> Image:
    """Stretch each channel to the full range; no strength."""
    return pixel.auto_contrast(image, cutoff=0, ignore=None, method="pil")


def equalize(image: Image, level: float, sign: int) -> Image:
    """Equalize each channel's histogram; no strength."""
    return pixel.equalize(image, mode="cv")  # nearer to PIL's, which the paper used, than mode="pil", and 10 times faster


def posterize(image: Image, level: float, sign: int) -> Image:
    """Keep the 4 - int(4 level / 10) highest bits."""
    return pixel.posterize(image, 4 - int(4 * level / 10))


def solarize(image: Image, level: float, sign: int) -> Image:
    """Invert what is not below 256 - int(256 level / 10)."""
    threshold = 256 - int(256 * level / 10)
    return pixel.solarize(image, (threshold - 0.5) / 255)


def rotate(image: Image, level: float, sign: int) -> Image:
    """Turn by int(30 level / 10) degrees about the centre."""
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    return _warp(image, cv2.getRotationMatrix2D(centre, -sign * int(30 * level / 10), 1))


def shear_x(image: Image, level: float, sign: int) -> Image:
    """Shift each row by 0.3 level / 10 of its height from the top."""
    shear = sign * 0.3 * level / 10
    return _warp(image, np.array([[1, shear, shear / 2], [0, 1, 0]]))


def shear_y(image: Image, level: float, sign: int) -> Image:
    """Shift each column by 0.3 level / 10 of its distance from the left."""
    shear = sign * 0.3 * level / 10
    return _warp(image, np.array([[1, 0, 0], [shear, 1, shear / 2]]))


def translate_x(image: Image, level: float, sign: int) -> Image:
    """Shift sideways by int(W / 3 level / 10) pixels."""
    return _warp(image, np.array([[1, 0, sign * int(image.shape[1] / 3 * level / 10)], [0, 1, 0]], dtype=float))


def translate_y(image: Image, level: float, sign: int) -> Image:
    """Shift up or down by int(H / 3 level / 10) pixels."""
    return _warp(image, np.array([[1, 0, 0], [0, 1, sign * int(image.shape[0] / 3 * level / 10)]], dtype=float))


OPERATIONS: dict[str, Callable[[Image, float, int], Image]] = {
    operation.__name__: operation
    for operation in (
        autocontrast,
        equalize,
        posterize,
        rotate,
        solarize,
        shear_x,
        shear_y,
        translate_x,
        translate_y,
    )
}
_OPERATIONS = tuple(OPERATIONS.values())


def _warp(image: Image, output_to_input: np.ndarray) -> Image:
    """Bilinear, black outside, same size. output_to_input (2, 3) maps pixel centres (x, y), the first at (0, 0)."""
    height, width = image.shape[:2]
    return geometric.warp_affine_with_value_extension(
        image,
        matrix=output_to_input,
        dsize=(width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        border_mode=cv2.BORDER_CONSTANT,
        border_value=0,
    )
