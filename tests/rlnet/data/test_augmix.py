"""AugMix: its operations against PIL, which the paper used, and properties of the mixture."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from rlnet.data.augmix import OPERATIONS, augmix
from rlnet.data.config import AugMixConfig
from rlnet.data.corruptions import CORRUPTIONS, EXTRA
from rlnet.data.randomness import generator

SIZES = [(32, 32), (64, 64), (48, 40)]
EXACT: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "autocontrast": lambda image, level: ImageOps.autocontrast(image),
    "posterize": lambda image, level: ImageOps.posterize(image, 4 - int(0.4 * level)),
    "solarize": lambda image, level: ImageOps.solarize(image, 256 - int(25.6 * level)),
}
PLANE: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "rotate": lambda image, level: image.rotate(int(3 * level), Image.Resampling.BILINEAR),
    "shear_x": lambda image, level: affine(image, (1, 0.03 * level, 0, 0, 1, 0)),
    "shear_y": lambda image, level: affine(image, (1, 0, 0, 0.03 * level, 1, 0)),
    "translate_x": lambda image, level: affine(image, (1, 0, int(image.width / 30 * level), 0, 1, 0)),
    "translate_y": lambda image, level: affine(image, (1, 0, 0, 0, 1, int(image.height / 30 * level))),
}


def affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def smooth_image(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 5 + y / 9), np.cos(x / 7 - y / 4), np.sin(x / 6) * np.cos(y / 8)]
    return (127 + 100 * np.stack(waves, 2)).astype(np.uint8)


def test_operations_are_the_papers_without_those_that_resemble_corruptions() -> None:
    rigid = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}
    assert set(OPERATIONS) == {"autocontrast", "equalize", "posterize", "solarize"} | rigid
    assert not {"color", "contrast", "brightness", "sharpness"} & set(OPERATIONS)


def test_training_uses_no_corruption_of_the_test() -> None:
    """Neither by name, nor by what making training batches imports."""
    assert not {*CORRUPTIONS, *EXTRA} & set(OPERATIONS)
    code = "import sys, rlnet.data.batches; print([name for name in sys.modules if 'corrupt' in name])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("level", [0.1, 1.7, 2.9, 9.9])
@pytest.mark.parametrize("name", EXACT)
def test_pixel_operations_are_pils(name: str, level: float, size: tuple[int, int]) -> None:
    image = smooth_image(*size)
    expected = np.asarray(EXACT[name](Image.fromarray(image), level)).astype(int)
    assert np.abs(OPERATIONS[name](image, level, 1) - expected).max() <= 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("level", [1.7, 2.9])
@pytest.mark.parametrize("name", PLANE)
def test_geometric_operations_are_pils(name: str, level: float, size: tuple[int, int]) -> None:
    image = smooth_image(*size)
    expected = np.asarray(PLANE[name](Image.fromarray(image), level)).astype(int)
    inside = (slice(7, -7), slice(7, -7))  # at the border PIL repeats the last half pixel, OpenCV blends it with black
    assert np.abs(OPERATIONS[name](image, level, 1) - expected)[inside].max() <= 6
    assert np.abs(OPERATIONS[name](image, level, -1) - expected)[inside].max() > 12


def test_equalize_flattens_the_histogram() -> None:
    image = smooth_image(64, 64) // 4 + 90
    equalized = OPERATIONS["equalize"](image, 1.0, 1)
    for channel in range(3):
        assert np.allclose(np.quantile(equalized[..., channel], [0.25, 0.5, 0.75]), [64, 128, 191], atol=12)


@pytest.mark.parametrize("size", SIZES)
def test_result_has_the_images_shape_and_range(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = image.copy()
    for index in range(30):
        mixed = augmix(image, generator(0, "augmix", 0, index), AugMixConfig(severity=10))
        assert mixed.shape == (*size, 3) and mixed.dtype == np.float32
        assert mixed.min() >= 0 and mixed.max() <= 1
    assert np.array_equal(image, before)


def test_white_image_stays_in_range() -> None:
    white = np.full((32, 32, 3), 255, dtype=np.uint8)
    assert max(augmix(white, generator(0, "augmix", 0, i), AugMixConfig()).max() for i in range(200)) <= 1


def test_same_generator_same_image_other_generator_other_image() -> None:
    image = smooth_image(32, 32)
    first, again, other = (augmix(image, generator(3, "augmix", 1, i), AugMixConfig()) for i in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_mean_strength_grows_with_severity() -> None:
    image = smooth_image(32, 32)

    def change(severity: float) -> float:
        config = AugMixConfig(severity=severity)
        mixed = [augmix(image, generator(0, "augmix", 0, i), config) for i in range(200)]
        return float(np.abs(np.array(mixed) - image / 255).mean())

    assert 0 < change(0.1) < change(3) < change(10)


@pytest.mark.parametrize(
    ("setting", "match"), [("width", "chains"), ("depth", "operations"), ("severity", "0.1"), ("alpha", "above 0")]
)
def test_settings_out_of_range(setting: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        AugMixConfig(**{setting: 0})
