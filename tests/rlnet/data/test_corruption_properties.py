"""What all corruptions have in common: names, range, repeatability, growth with severity, and refusals."""

import pytest
import torch
from torch import Tensor

from rlnet.data.corruptions import CORRUPTIONS, EXTRA, SEVERITIES, corrupt
from rlnet.data.corruptions.constants import CONSTANTS, constants
from rlnet.data.corruptions.elastic import smooth_moves

from .smooth_images import seeded, smooth_images

ALL = CORRUPTIONS + EXTRA
# By the benchmark's own constants these change the image less at some severity than at the one below: glass blurs away the
# moves it made, frost hides the image that it brightened, elastic anchors move less while the sheet stretches more, water turns
# to mud, saturation first falls and then rises. Real photographs (CIFAR-10) order the severities as the images here do.
NOT_MONOTONE = {"glass_blur", "frost", "elastic_transform", "spatter", "saturate"}


def test_names_are_those_of_the_benchmark() -> None:
    assert len(CORRUPTIONS) == 15
    assert (CORRUPTIONS[0], CORRUPTIONS[7], CORRUPTIONS[-1]) == ("gaussian_noise", "snow", "jpeg_compression")
    assert set(EXTRA) == {"speckle_noise", "gaussian_blur", "spatter", "saturate"}
    assert set(ALL) == set(CONSTANTS)
    assert all(len(rows) == 5 for sizes in CONSTANTS.values() for rows in sizes.values())


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(32, 32), (8, 8), (64, 64), (40, 72)])
def test_shape_range_grid_and_repeatability(name: str, shape: tuple[int, int]) -> None:
    images = smooth_images(3, *shape)
    images[2] = images[2, :1]  # one gray image
    untouched = images.clone()
    for severity in SEVERITIES:
        corrupted = corrupt(images, name, severity, generator=seeded())
        assert corrupted.shape == images.shape
        assert corrupted.dtype == torch.float32
        assert 0 <= corrupted.min() <= corrupted.max() <= 1
        assert torch.equal((corrupted * 255).round() / 255, corrupted)
        # On 8 pixels a zoom by a few percent is none.
        assert (name, shape) == ("zoom_blur", (8, 8)) or not torch.equal(corrupted, images)
        assert torch.equal(corrupted, corrupt(images, name, severity, generator=seeded()))
    assert torch.equal(images, untouched)


@pytest.mark.parametrize("name", ["gaussian_noise", "glass_blur", "motion_blur", "snow", "frost", "fog", "elastic_transform"])
def test_images_of_a_batch_and_seeds_differ(name: str) -> None:
    twins = smooth_images(1, 32, 32).expand(2, -1, -1, -1)
    first = corrupt(twins, name, 3, generator=seeded(0))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, corrupt(twins, name, 3, generator=seeded(1)))


def changes(images: Tensor, name: str) -> list[float]:
    """The mean change of a value at each severity."""
    return [(corrupt(images, name, s, generator=seeded()) - images).abs().mean().item() for s in SEVERITIES]


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("name", sorted(set(ALL) - NOT_MONOTONE))
def test_change_does_not_fall_with_severity(name: str, side: int) -> None:
    found = changes(smooth_images(32, side, side), name)
    assert found == sorted(found)
    assert found[0] > 0


@pytest.mark.parametrize("side", [32, 64])
def test_what_grows_with_severity_where_the_change_does_not(side: int) -> None:
    images = smooth_images(32, side, side)
    found = {name: changes(images, name) for name in NOT_MONOTONE}
    assert all(values != sorted(values) for values in found.values())

    water, mud = found["spatter"][:3], found["spatter"][3:]
    less, more = found["saturate"][:2], found["saturate"][2:]
    assert all(values == sorted(values) for values in (water, mud, less, more))

    def corrupted(x: Tensor, name: str) -> list[Tensor]:
        return [corrupt(x, name, severity, generator=seeded()) for severity in SEVERITIES]

    detail = [x.diff(dim=3).abs().mean().item() for x in corrupted(torch.rand(images.shape, generator=seeded()), "glass_blur")]
    for blurs in (detail[:3], detail[3:]):
        assert blurs == sorted(blurs, reverse=True)

    frosted, ice = corrupted(images, "frost"), corrupted(torch.zeros_like(images), "frost")
    brightness = [x.mean().item() for x in ice]
    left_of_the_images = [(x - y).std().item() for x, y in zip(frosted, ice, strict=True)]
    assert brightness == sorted(brightness)
    assert left_of_the_images == sorted(left_of_the_images, reverse=True)

    rows = [[side * part for part in constants("elastic_transform", images, severity)] for severity in SEVERITIES]
    stretch = [smooth_moves(images, strength, sigma, seeded()).std().item() for strength, sigma, _ in rows]
    anchors = [reach for *_, reach in rows]
    assert stretch == sorted(stretch)
    assert stretch[0] == 0
    assert anchors == sorted(anchors, reverse=True)


@pytest.mark.parametrize(
    ("images", "name", "severity", "message"),
    [
        (torch.zeros(1, 3, 32, 32), "rain", 1, "'rain'.*gaussian_noise"),
        (torch.zeros(1, 3, 32, 32), "fog", 0, "severity is 0.*1 to 5"),
        (torch.zeros(1, 3, 32, 32), "fog", 6, "severity is 6"),
        (torch.zeros(1, 1, 32, 32), "fog", 1, r"\(1, 1, 32, 32\).*three channels"),
        (torch.zeros(3, 32, 32), "fog", 1, r"\(3, 32, 32\)"),
        (torch.zeros(1, 3, 4, 32), "fog", 1, "resize"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "fog", 1, "uint8.*/ 255"),
        (torch.full((1, 3, 32, 32), 255.0), "fog", 1, "255.*scale"),
    ],
)
def test_errors_name_the_value_and_the_remedy(images: Tensor, name: str, severity: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        corrupt(images, name, severity, generator=seeded())
