"""Parts of the corruptions against independent references: statistics, loops, scipy, OpenCV, values by hand.

test_corruption_references.py computes each corruption as a whole a second way.
"""

import math

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from rlnet.data.corruptions import SEVERITIES, corrupt
from rlnet.data.corruptions.blur import soft_disk
from rlnet.data.corruptions.elastic import affine_places, sample
from rlnet.data.corruptions.glass import neighbours, sources
from rlnet.data.corruptions.motion import smear
from rlnet.data.corruptions.plasma import plasma
from rlnet.data.corruptions.separable import gaussian_filter, zoom

from .smooth_images import seeded, smooth_images

LEVEL = 1 / 255


def random_image(side: int = 32) -> Tensor:
    return torch.randint(256, (1, 3, side, side), generator=seeded(2)) / 255


# Noise


@pytest.mark.parametrize("severity", SEVERITIES)
def test_noise_statistics(severity: int) -> None:
    gray = torch.full((64, 3, 32, 32), 0.5)

    def corrupted(name: str) -> Tensor:
        return corrupt(gray, name, severity, generator=seeded()) + 0.5 * LEVEL  # truncation takes half a level on average

    sigma = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
    photons = (500, 250, 100, 75, 50)[severity - 1]
    amount = (0.01, 0.02, 0.03, 0.05, 0.07)[severity - 1]
    assert corrupted("gaussian_noise").std() == pytest.approx(sigma, rel=0.02)
    assert corrupted("shot_noise").mean() == pytest.approx(0.5, abs=1e-3)
    assert corrupted("shot_noise").std() == pytest.approx(math.sqrt(0.5 / photons), rel=0.02)
    assert corrupted("speckle_noise").std() == pytest.approx(0.5 * (0.06, 0.1, 0.12, 0.16, 0.2)[severity - 1], rel=0.02)
    impulse = corrupt(gray, "impulse_noise", severity, generator=seeded())
    assert (impulse == 1).float().mean() == pytest.approx(amount / 2, rel=0.1)
    assert (impulse == 0).float().mean() == pytest.approx(amount / 2, rel=0.1)


# Blur


@pytest.mark.parametrize("radius", [0.3, 3.0, 10.5])
def test_soft_disk_sums_to_one(radius: float) -> None:
    assert soft_disk(radius, 0.5).sum() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("sigma", "truncate", "edge"), [(1.0, 4.0, "nearest"), (6.4, 3.0, "mirror"), (20.0, 4.0, "nearest")])
def test_gaussian_filter_is_scipys(sigma: float, truncate: float, edge: str) -> None:
    image = random_image()[0, :, :20]
    mode = {"nearest": "nearest", "mirror": "reflect"}[edge]
    expected = ndimage.gaussian_filter(image.numpy(), (0, sigma, sigma), truncate=truncate, mode=mode)
    torch.testing.assert_close(gaussian_filter(image, sigma, truncate=truncate, edge=edge), torch.from_numpy(expected))


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_glass_equals_walking_pixel_by_pixel(reach: int) -> None:
    copies = neighbours(2, 9, 11, reach, seeded())
    for flat, found in zip(copies, sources(copies), strict=True):
        walked = np.arange(9 * 11)
        for row in range(9 - reach, reach, -1):
            for column in range(11 - reach, reach, -1):
                walked[row * 11 + column] = walked[flat[row * 11 + column]]
        assert found.tolist() == walked.tolist()
    moves = copies - torch.arange(99)
    assert -reach * 12 <= moves.min() < 0  # 12: one row and one column
    assert moves.max() <= (reach - 1) * 12


def test_smear_equals_a_loop_over_pixels() -> None:
    image, radius, sigma, angle = random_image()[:, :1, :10, :12], 3, 1.5, math.radians(-37)
    weights = np.exp(-(np.arange(7) ** 2) / (2 * sigma**2))
    expected = np.zeros((10, 12))
    for row, column in np.ndindex(10, 12):
        for step, weight in enumerate(weights / weights.sum()):
            r = min(max(row + math.ceil(step * math.sin(angle) - 0.5), 0), 9)
            c = min(max(column + math.ceil(step * math.cos(angle) - 0.5), 0), 11)
            expected[row, column] += weight * image[0, 0, r, c].item()
    found = smear(image, radius, sigma, torch.tensor([angle]))[0, 0]
    torch.testing.assert_close(found, torch.from_numpy(expected).float(), atol=1e-4, rtol=0)


def scipys_zoom(image: Tensor, factor: float) -> Tensor:
    """The middle of image (32, 32), magnified by scipy and cut to (32, 32)."""
    inner = math.ceil(32 / factor)
    start = (32 - inner) // 2
    stretched = ndimage.zoom(image.numpy()[start : start + inner, start : start + inner], factor, order=1)
    trim = (stretched.shape[0] - 32) // 2
    return torch.from_numpy(stretched[trim : trim + 32, trim : trim + 32].copy())


@pytest.mark.parametrize("factor", [1.0, 1.01, 1.13, 1.25, 2.25])
def test_zoom_is_scipys(factor: float) -> None:
    image = random_image()[0, 0]
    torch.testing.assert_close(zoom(image, factor), scipys_zoom(image, factor), atol=1e-5, rtol=0)


# Weather


@pytest.mark.parametrize("side", [2, 32])
def test_plasma_is_stretched_and_rougher_with_slower_decay(side: int) -> None:
    def roughness(decay: float) -> float:
        clouds = plasma(64, side, decay, seeded())
        assert torch.equal(clouds.amin((1, 2)), torch.zeros(64))
        assert torch.equal(clouds.amax((1, 2)), torch.ones(64))
        return clouds.diff(dim=2).abs().mean().item()

    assert side == 2 or roughness(1.75) > 1.2 * roughness(3)
    roughness(2)


def test_fog_leaves_black_images_black_and_draws_others_together() -> None:
    assert corrupt(torch.zeros(1, 3, 32, 32), "fog", 5, generator=seeded()).max() == 0
    images = smooth_images(4, 32, 32)
    assert (corrupt(images, "fog", 1, generator=seeded()).amax((1, 2, 3)) <= images.amax((1, 2, 3))).all()


def test_snow_and_frost_brighten_black() -> None:
    black = torch.zeros(8, 3, 32, 32)
    assert (corrupt(black, "snow", 5, generator=seeded()).mean((1, 2, 3)) > 0.05).all()
    frost = corrupt(black, "frost", 5, generator=seeded())
    assert (frost.mean((1, 2, 3)) > 0.05).all()
    assert frost.max() <= 0.45
    assert frost[:, 2].mean() > frost[:, 0].mean()  # bluish


def test_spatter_changes_few_pixels_towards_its_colour() -> None:
    gray = torch.full((16, 3, 32, 32), 128 / 255)
    water = corrupt(gray, "spatter", 1, generator=seeded()) - gray
    mud = corrupt(gray, "spatter", 5, generator=seeded()) - gray
    assert water.min() >= 0
    assert mud.max() <= 0
    assert water[:, 1].sum() > water[:, 0].sum() > 0  # turquoise
    assert mud[:, 2].sum() < mud[:, 0].sum() < 0  # brown
    for change in (water, mud):
        assert 0 < (change != 0).any(1).float().mean() < 0.3


# Digital


def test_contrast_by_hand() -> None:
    image = torch.zeros(1, 3, 8, 8)
    image[0, 0, :4] = 0.8  # the first channel's mean is 0.4
    image[0, 1] = 0.5
    corrupted = corrupt(image, "contrast", 2, generator=seeded())[0]  # factor 0.5
    assert corrupted[0].unique().tolist() == pytest.approx([51 / 255, 153 / 255])  # 0.2 and 0.6
    assert corrupted[1].unique().tolist() == pytest.approx([127 / 255])
    assert corrupted[2].max() == 0


@pytest.mark.parametrize(("repeat_border", "mode"), [(True, "reflect"), (False, "mirror")])
def test_sample_is_scipys(repeat_border: bool, mode: str) -> None:
    image = random_image()[:, :, :20]
    right, down = (40 * torch.rand(1, 20, 32, generator=seeded(seed)) - 5 for seed in (0, 1))
    expected = [ndimage.map_coordinates(c.numpy(), [down[0], right[0]], order=1, mode=mode) for c in image[0]]
    found = sample(image, right, down, repeat_border=repeat_border)[0]
    torch.testing.assert_close(found, torch.from_numpy(np.stack(expected)), atol=1e-4, rtol=0)


def test_affine_places_are_opencvs() -> None:
    steps = 3 * (2 * torch.rand(4, 3, 2, generator=seeded()) - 1)
    right, down = affine_places(torch.empty(4, 3, 32, 40), 3, seeded())
    rest = np.float32([[30, 26], [30, 6], [10, 6]])  # the middle, (20, 16), plus or minus 32 // 3
    rows, columns = np.mgrid[:32, :40]
    for index, moved in enumerate(rest + steps.numpy()):
        inverse = cv2.invertAffineTransform(cv2.getAffineTransform(rest, moved))
        expected = inverse @ np.stack([columns.ravel(), rows.ravel(), np.ones(32 * 40)])
        found = torch.stack([right[index].flatten(), down[index].flatten()])
        torch.testing.assert_close(found, torch.from_numpy(expected).float(), atol=1e-3, rtol=0)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_elastic_keeps_a_flat_image_and_moves_a_ramp_little(severity: int) -> None:
    flat = torch.full((2, 3, 32, 32), 100 / 255)
    assert (corrupt(flat, "elastic_transform", severity, generator=seeded()) - flat).abs().max() <= LEVEL * 1.01
    ramp = torch.linspace(0, 1, 32).expand(64, 3, 32, 32)
    assert 0.005 < (corrupt(ramp, "elastic_transform", severity, generator=seeded()) - ramp).abs().mean() < 0.15
