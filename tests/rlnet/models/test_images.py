"""What a network is given: floats in [0, 1]. What else people have at hand is told, not computed with."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rlnet.models import ModeNetwork, Switch, frozen

NOT_IMAGES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "uint8": (lambda x: (255 * x).byte(), r"images are torch.uint8; .*images.float\(\) / 255"),
    "int64": (lambda x: (255 * x).long(), "images are torch.int64"),
    "floats to 255": (lambda x: 255 * x, r"images lie in \[0, 255\]; .*divide by 255"),
    "normalised": (lambda x: (x - 0.4) / 0.3, r"images lie in \[-1.33333, 2\]; .*leave your own normalisation out"),
    "from -1 to 1": (lambda x: 2 * x - 1, r"images lie in \[-1, 1\]"),
    "one pixel off": (lambda x: x + 0.01 * (x == x.max()), r"images lie in \[0, 1.01\]"),
    "not a number": (lambda x: x.where(x != x.max(), torch.nan), r"images lie in \[nan, nan\]"),
}


@pytest.fixture
def images(generator: torch.Generator) -> Tensor:
    x = torch.rand(3, 1, 8, 8, generator=generator)
    x[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    return x


@pytest.mark.parametrize("mode", ["normal", "adversarial", "auto"])
@pytest.mark.parametrize(("spoil", "words"), NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_what_is_no_image_is_told(
    tiny_network: Callable[..., ModeNetwork], images: Tensor, spoil: Callable[[Tensor], Tensor], words: str, mode: str
) -> None:
    network = tiny_network()
    network.switch = Switch("agreement", 0.5)
    assert network(images, mode=mode).shape == (3, 5)
    with pytest.raises(ValueError, match=words):
        network(spoil(images), mode=mode)


def test_rounding_is_no_error(tiny_network: Callable[..., ModeNetwork], images: Tensor) -> None:
    network = tiny_network()
    assert network(images * (1 + 1e-6) - 1e-7).isfinite().all()


def test_training_takes_what_its_views_are(tiny_network: Callable[..., ModeNetwork], images: Tensor) -> None:
    """Views of training are in [0, 1] by construction; looking at every one would wait for the accelerator."""
    assert tiny_network().train()(2 * images, mode="clean").shape == (3, 5)
    with pytest.raises(ValueError, match=r"torch\.uint8"):
        tiny_network().train()((255 * images).byte(), mode="clean")


def test_within_frozen_nothing_is_looked_at(tiny_network: Callable[..., ModeNetwork], images: Tensor) -> None:
    """Attacks look at thousands of images, each in its ball and in [0, 1], which they assert themselves."""
    network = tiny_network()
    with frozen(network, "normal"):
        assert network(2 * images).shape == (3, 5)
