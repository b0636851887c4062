"""Every corruption computed a second way: image by image, in numpy, scipy, OpenCV, Pillow and loops, from the same draws.

The constants are read from the benchmark's scripts anew (`make_cifar_c.py` for 32 x 32 and `make_tinyimagenet_c.py` for
64 x 64, github.com/hendrycks/robustness), not from `constants.py`.
"""

import colorsys
import io
import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats

from rlnet.data.corruptions import CORRUPTIONS, EXTRA, SEVERITIES, corrupt
from rlnet.data.corruptions.frost_pictures import frost_pictures

Array = np.ndarray  # an image (H, W, 3) or a map (H, W) of floats in [0, 1]
Row = tuple[float, ...]
BATCH = 2


def column(*values: float) -> list[Row]:
    return [(value,) for value in values]


SNOW = [(0.1, 0.2, 1, 0.6, 8, 3), (0.1, 0.2, 1, 0.5, 10, 4), (0.15, 0.3, 1.75, 0.55, 10, 4)]
SNOW += [(0.25, 0.3, 2.25, 0.6, 12, 6), (0.3, 0.3, 1.25, 0.65, 14, 12)]
SPATTER = [(0.62, 0.1, 0.7), (0.65, 0.1, 0.8), (0.65, 0.3, 1), (0.65, 0.1, 0.7), (0.65, 0.1, 0.5)]


def extended(rows: list[Row], *columns: tuple[float, ...]) -> list[Row]:
    return [row + rest for row, rest in zip(rows, zip(*columns, strict=True), strict=True)]


ROWS: dict[int, dict[str, list[Row]]] = {
    32: {
        "gaussian_noise": column(0.04, 0.06, 0.08, 0.09, 0.10),
        "shot_noise": column(500, 250, 100, 75, 50),
        "impulse_noise": column(0.01, 0.02, 0.03, 0.05, 0.07),
        "speckle_noise": column(0.06, 0.1, 0.12, 0.16, 0.2),
        "gaussian_blur": column(0.4, 0.6, 0.7, 0.8, 1),
        "glass_blur": [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)],
        "defocus_blur": [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
        "motion_blur": [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)],
        "zoom_blur": column(1.06, 1.11, 1.16, 1.21, 1.26),
        "snow": extended(SNOW, (0.95, 0.9, 0.9, 0.85, 0.8)),
        "frost": [(1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)],
        "fog": [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)],
        "spatter": extended(SPATTER, (0.7, 0.7, 0.69, 0.69, 0.68), (0.5, 0.5, 0.5, 0.6, 0.6), (0, 0, 0, 1, 1)),
        "contrast": column(0.75, 0.5, 0.4, 0.3, 0.15),
        "brightness": column(0.05, 0.1, 0.15, 0.2, 0.3),
        "saturate": [(0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)],
        "jpeg_compression": column(80, 65, 58, 50, 40),
        "pixelate": column(0.95, 0.9, 0.85, 0.75, 0.65),
        "elastic_transform": [(0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)],
    },
    64: {
        "gaussian_noise": column(0.04, 0.08, 0.12, 0.15, 0.18),
        "shot_noise": column(250, 100, 50, 30, 15),
        "impulse_noise": column(0.01, 0.02, 0.05, 0.08, 0.14),
        "speckle_noise": column(0.15, 0.2, 0.25, 0.3, 0.35),
        "gaussian_blur": column(0.5, 0.75, 1, 1.25, 1.5),
        "glass_blur": [(0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)],
        "defocus_blur": [(0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)],
        "motion_blur": [(10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)],
        "zoom_blur": column(1.06, 1.11, 1.16, 1.21, 1.26),
        "snow": extended(SNOW, (0.8, 0.8, 0.7, 0.65, 0.6)),
        "frost": [(1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)],
        "fog": [(0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)],
        "spatter": extended(SPATTER, (0.7, 0.7, 0.69, 0.68, 0.67), (0.6, 0.6, 0.6, 0.6, 0.6), (0, 0, 0, 1, 1)),
        "contrast": column(0.4, 0.3, 0.2, 0.1, 0.05),
        "brightness": column(0.1, 0.2, 0.3, 0.4, 0.5),
        "saturate": [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)],
        "jpeg_compression": column(65, 58, 50, 40, 25),
        "pixelate": column(0.9, 0.8, 0.7, 0.6, 0.5),
        "elastic_transform": [(0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)],
    },
}


class Draws:
    """The random numbers of a batch in the order in which it draws them, and the image whose share is asked for."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)
        self.drawn: list[Array] = []
        self.image, self.place = 0, 0

    def next(self, draw: Callable[..., torch.Tensor], *shape: int, batch_axis: int = 0) -> Array:
        """This image's part of draw(shape with the batch's axis), which is drawn once for all images."""
        if self.place == len(self.drawn):
            full = (*shape[:batch_axis], BATCH, *shape[batch_axis:])
            self.drawn.append(draw(full, generator=self.generator).numpy())
        self.place += 1
        return self.drawn[self.place - 1].take(self.image, axis=batch_axis)

    def for_image(self, image: int) -> "Draws":
        self.image, self.place = image, 0
        return self

    def uniform(self, low: float, high: float, *shape: int, batch_axis: int = 0) -> Array:
        return low + (high - low) * self.next(torch.rand, *shape, batch_axis=batch_axis)

    def whole(self, low: int, high: int, *shape: int, batch_axis: int = 0) -> Array:
        return self.next(
            lambda full, generator: torch.randint(low, high, full, generator=generator), *shape, batch_axis=batch_axis
        )


def eight_bits(image: Array) -> Array:
    """What is stored of floats: the fraction of a level is cut off. A thousandth of a level allows for float32."""
    return np.floor(image.clip(0, 1) * 255 + 1e-3).astype(np.uint8)


def rounded(image: Array) -> Array:
    return np.floor(image * 255 + 0.5 + 1e-3) / 255


def channels_first(x: Array) -> Array:
    return np.moveaxis(x, -1, 0)


def channels_last(x: Array) -> Array:
    return np.moveaxis(x, 0, -1)


def blurred(x: Array, sigma: float, mode: str = "nearest", truncate: float = 4.0) -> Array:
    axes = (sigma, sigma, 0)[: x.ndim]
    return ndimage.gaussian_filter(x, axes, mode=mode, truncate=truncate)


def magnified(x: Array, factor: float) -> Array:
    """The middle of a map (S, S), magnified and cut to (S, S)."""
    side = len(x)
    inner = math.ceil(side / factor)
    start = (side - inner) // 2
    large = ndimage.zoom(x[start : start + inner, start : start + inner], factor, order=1)
    trim = (len(large) - side) // 2
    return large[trim : trim + side, trim : trim + side]


def trail(x: Array, radius: float, sigma: float, degrees: float) -> Array:
    """ImageMagick's motion blur of an image (H, W, C): shifted copies of it, weighed by half a Gaussian."""
    taps, angle = 2 * math.ceil(radius) + 1, math.radians(degrees)
    weights = np.exp(-(np.arange(taps) ** 2) / (2 * sigma**2))
    padded = np.pad(x, [(taps, taps), (taps, taps), (0, 0)], mode="edge")
    shifted = [
        np.roll(padded, (-math.ceil(k * math.sin(angle) - 0.5), -math.ceil(k * math.cos(angle) - 0.5)), (0, 1))
        for k in range(taps)
    ]
    return np.tensordot(weights / weights.sum(), shifted, 1)[taps:-taps, taps:-taps]


def by_colorsys(x: Array, change: Callable[[float, float, float], tuple[float, float, float]]) -> Array:
    """Applies change(h, s, v) -> (h, s, v) to every pixel."""
    return np.array([[colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in row] for row in x.tolist()])


def gaussian_noise(x: Array, draws: Draws, sigma: float) -> Array:
    return x + sigma * channels_last(draws.next(torch.randn, 3, *x.shape[:2]))


def speckle_noise(x: Array, draws: Draws, sigma: float) -> Array:
    return x * (1 + sigma * channels_last(draws.next(torch.randn, 3, *x.shape[:2])))


def impulse_noise(x: Array, draws: Draws, amount: float) -> Array:
    chance = channels_last(draws.uniform(0, 1, 3, *x.shape[:2]))
    return np.select([chance < amount / 2, chance >= 1 - amount / 2], [1.0, 0.0], x)


def gaussian_blur(x: Array, draws: Draws, sigma: float) -> Array:
    return blurred(x, sigma)


def glass_blur(x: Array, draws: Draws, sigma: float, reach: int, passes: int) -> Array:
    moved, side = eight_bits(blurred(x, sigma)), len(x)
    for _ in range(passes):
        moves = draws.whole(-reach, reach, 2, side, side, batch_axis=1)
        for row in range(side - reach, reach, -1):
            for column in range(side - reach, reach, -1):
                down, right = moves[:, row, column]
                moved[row, column] = moved[row + down, column + right]
    return blurred(moved / 255, sigma)


def defocus_blur(x: Array, draws: Draws, radius: float, alias: float) -> Array:
    right, down = np.meshgrid(np.arange(-8, 9), np.arange(-8, 9))
    disk = (right**2 + down**2 <= radius**2).astype(np.float32)
    return cv2.filter2D(x, -1, cv2.GaussianBlur(disk / disk.sum(), (3, 3), sigmaX=alias))


def motion_blur(x: Array, draws: Draws, radius: float, sigma: float) -> Array:
    return rounded(trail(x, radius, sigma, draws.uniform(-45, 45).item()))


def zoom_blur(x: Array, draws: Draws, end: float) -> Array:
    zooms = [np.dstack([magnified(channel, factor) for channel in channels_first(x)]) for factor in np.arange(1, end, 0.01)]
    return np.mean([x, *zooms], axis=0)


def snow(
    x: Array, draws: Draws, mean: float, std: float, flake: float, threshold: float, radius: float, sigma: float, share: float
) -> Array:
    layer = magnified(mean + std * draws.next(torch.randn, 1, *x.shape[:2])[0], flake)
    layer[layer < threshold] = 0
    layer = rounded(trail(eight_bits(layer)[..., None] / 255, radius, sigma, draws.uniform(-135, -45).item()))
    gray = cv2.cvtColor(x.astype(np.float32), cv2.COLOR_RGB2GRAY)[..., None]
    return share * x + (1 - share) * np.maximum(x, 1.5 * gray + 0.5) + layer + np.rot90(layer, 2)


def frost(x: Array, draws: Draws, share: float, thickness: float) -> Array:
    pictures, side = frost_pictures(len(x)).numpy(), len(x)
    which = draws.whole(0, 5, 1, 1).item()
    top, left = (draws.whole(0, 4 * side, 1, 1).item() for _ in range(2))
    picture = np.tile(channels_last(pictures[which]), (2, 2, 1))
    return share * x + thickness * picture[top : top + side, left : left + side]


def cloud(side: int, decay: float, draws: Draws) -> Array:
    """Diamond-square point by point on a torus, stretched to [0, 1]."""
    heights, step, roughness = np.zeros((side, side)), side, 100.0

    def fill(down: int, right: int, neighbours: list[tuple[int, int]]) -> None:
        noise = draws.uniform(-1, 1, side // step, side // step)
        for i, j in np.ndindex(noise.shape):
            row, column = i * step + down, j * step + right
            near = [heights[(row + dy) % side, (column + dx) % side] for dy, dx in neighbours]
            heights[row, column] = sum(near) / 4 + roughness**2 * noise[i, j]

    while step > 1:
        half = step // 2
        cross = [(-half, 0), (half, 0), (0, -half), (0, half)]
        fill(half, half, [(dy, dx) for dy in (-half, half) for dx in (-half, half)])
        fill(0, half, cross)
        fill(half, 0, cross)
        step, roughness = half, roughness / decay
    return (heights - heights.min()) / np.ptp(heights)


def fog(x: Array, draws: Draws, thickness: float, decay: float) -> Array:
    return (x + thickness * cloud(len(x), decay, draws)[..., None]) * x.max() / (x.max() + thickness)


def spatter(
    x: Array, draws: Draws, mean: float, std: float, sigma: float, threshold: float, strength: float, mud: float
) -> Array:
    liquid = blurred(mean + std * draws.next(torch.randn, 1, *x.shape[:2])[0], sigma)
    if mud:
        opacity = blurred((liquid > threshold).astype(float), strength)[..., None]
        opacity[opacity < 0.8] = 0
        return (1 - opacity) * x + opacity * np.array([63, 42, 20]) / 255
    drops = (np.where(liquid < threshold, 0, liquid).clip(0, 1) * 255).astype(np.uint8)
    far = cv2.distanceTransform(255 - cv2.Canny(drops, 50, 150), cv2.DIST_L2, 5)
    _, near = cv2.threshold(far, 20, 20, cv2.THRESH_TRUNC)
    even = cv2.equalizeHist(cv2.blur(near, (3, 3)).astype(np.uint8))
    light = cv2.filter2D(even, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    opacity = drops * cv2.blur(light, (3, 3)).astype(float)
    return x + strength * (opacity / opacity.max())[..., None] * np.array([175, 238, 238]) / 255


def contrast(x: Array, draws: Draws, factor: float) -> Array:
    mean = x.mean((0, 1))
    return factor * x + (1 - factor) * mean


def brightness(x: Array, draws: Draws, offset: float) -> Array:
    return by_colorsys(x, lambda h, s, v: (h, s, min(v + offset, 1)))


def saturate(x: Array, draws: Draws, factor: float, offset: float) -> Array:
    return by_colorsys(x, lambda h, s, v: (h, min(factor * s + offset, 1), v))


def jpeg_compression(x: Array, draws: Draws, quality: int) -> Array:
    stream = io.BytesIO()
    Image.fromarray(eight_bits(x)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream)) / 255


def pixelate(x: Array, draws: Draws, fraction: float) -> Array:
    small = Image.fromarray(eight_bits(x)).resize((int(len(x) * fraction),) * 2, Image.Resampling.BOX)
    return np.asarray(small.resize(x.shape[:2], Image.Resampling.BOX)) / 255


def elastic_transform(x: Array, draws: Draws, strength: float, smoothness: float, reach: float) -> Array:
    side = len(x)
    middle, arm = side // 2, side // 3
    rest = np.float32([[middle + arm, middle + arm], [middle + arm, middle - arm], [middle - arm, middle - arm]])
    moved = rest + np.float32(draws.uniform(-reach * side, reach * side, 3, 2))
    inverse = cv2.invertAffineTransform(cv2.getAffineTransform(rest, moved))
    down, right = np.mgrid[:side, :side].astype(float)
    from_right, from_down = np.tensordot(inverse, [right, down, np.ones_like(right)], 1)
    x = read_at(x, from_down, from_right, "mirror")
    noise = draws.uniform(-1, 1, 2, side, side, batch_axis=1)
    dx, dy = (strength * side * blurred(n, smoothness * side, "reflect", 3.0) for n in noise)
    return read_at(x, down + dy, right + dx, "reflect")


def read_at(x: Array, down: Array, right: Array, mode: str) -> Array:
    return np.dstack([ndimage.map_coordinates(channel, [down, right], order=1, mode=mode) for channel in channels_first(x)])


REFERENCES: dict[str, Callable[..., Array]] = {
    function.__name__: function
    for function in (
        *(gaussian_noise, impulse_noise, speckle_noise, defocus_blur, glass_blur, motion_blur, zoom_blur, gaussian_blur),
        *(snow, frost, fog, spatter, brightness, contrast, elastic_transform, pixelate, jpeg_compression, saturate),
    )
}


def photographs(side: int) -> torch.Tensor:
    """Two 8-bit images of smooth noise, (2, 3, side, side); one has gray, black and white parts."""
    noise = ndimage.gaussian_filter(np.random.default_rng(side).random((BATCH, 3, side, side)), (0, 0, side / 20, side / 20))
    images = torch.from_numpy(((noise - noise.min()) / np.ptp(noise) * 255).round()).float() / 255
    images[1, :, :8] = images[1, :1, :8]
    images[1, :, 8:10] = 0
    images[1, :, 10:12] = 1
    return images


def test_all_are_compared() -> None:
    assert {*REFERENCES, "shot_noise"} == {*CORRUPTIONS, *EXTRA} == set(ROWS[32]) == set(ROWS[64])


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("name", REFERENCES)
def test_a_batch_is_what_each_image_becomes(name: str, side: int, severity: int) -> None:
    """A value may be one level off where float32 and float64 fall on two sides of a level: few are that close to one."""
    images, draws, seed = photographs(side), Draws(severity), severity
    corrupted = corrupt(images, name, severity, generator=torch.Generator().manual_seed(seed))
    for index, image in enumerate(images.double().numpy()):
        expected = REFERENCES[name](channels_last(image), draws.for_image(index), *ROWS[side][name][severity - 1])
        found = channels_last((corrupted[index] * 255).round().numpy())
        difference = np.abs(found - eight_bits(expected))
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.02


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("side", [32, 64])
def test_shot_noise_is_poissons(side: int, severity: int) -> None:
    """How often each level occurs, against the probabilities of the counts that fall on it."""
    (photons,) = ROWS[side]["shot_noise"][severity - 1]
    for light in (0.1, 0.5, 0.9):
        images = torch.full((100, 3, side, side), light)
        noisy = corrupt(images, "shot_noise", severity, generator=torch.Generator().manual_seed(severity))
        counts = np.arange(3 * photons)
        expected = np.bincount(eight_bits(counts / photons), stats.poisson.pmf(counts, light * photons), minlength=256)
        found = torch.bincount((noisy * 255).round().long().flatten(), minlength=256) / noisy.numel()
        assert np.abs(found.numpy() - expected).sum() < 0.02
