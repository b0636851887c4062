"""Image files of every kind: the pixels that they give, and the modes that are refused because they would be guessed."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rlnet.data.files.decoding import decode

from .encoded import KINDS, encoded, oriented, png_that_claims, smooth

LOSSLESS = ("PNG", "BMP", "TIFF", "PPM")
PICTURE = smooth()
GRAY = PICTURE[..., 2]


@pytest.fixture
def decoded(tmp_path: Path) -> Callable[[bytes], np.ndarray]:
    """What a file of these bytes decodes to; its name says nothing."""

    def of(content: bytes) -> np.ndarray:
        (tmp_path / "image").write_bytes(content)
        return decode(tmp_path / "image")

    return of


Decoded = Callable[[bytes], np.ndarray]


@pytest.mark.parametrize("kind", LOSSLESS)
def test_pixels_are_as_they_were_stored(decoded: Decoded, kind: str) -> None:
    assert np.array_equal(decoded(encoded(kind, PICTURE)), PICTURE)
    assert np.array_equal(decoded(encoded(kind, GRAY)), GRAY[..., None])
    black_and_white = Image.fromarray(GRAY > 100)
    assert np.array_equal(decoded(encoded(kind, black_and_white)), 255 * (GRAY > 100)[..., None])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_palettes_are_looked_up(decoded: Decoded, kind: str) -> None:
    """Though all colours are gray, which for a GIF is chance."""
    for picture in (PICTURE, np.repeat(GRAY[..., None], 3, axis=2)):
        few = Image.fromarray(picture).quantize(16)
        assert np.array_equal(decoded(encoded(kind, few)), np.asarray(few.convert("RGB")))
    assert decoded(encoded("GIF", GRAY)).shape == (*GRAY.shape, 3)


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("settings", [{}, {"subsampling": 0}, {"progressive": True}])
def test_jpeg_gives_the_pixels_that_pillow_gives(
    decoded: Decoded, quality: int, settings: dict[str, object], tmp_path: Path
) -> None:
    for picture in (PICTURE, GRAY, smooth(7, 17)):
        pixels = decoded(encoded("JPEG", picture, quality=quality, **settings))
        with Image.open(tmp_path / "image") as image:
            assert np.array_equal(pixels.squeeze(), np.asarray(image))


TURNED = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image[::-1].swapaxes(0, 1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image[:, ::-1].swapaxes(0, 1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", sorted(TURNED))
def test_images_are_turned_as_exif_says(decoded: Decoded, kind: str, orientation: int) -> None:
    upright = decoded(oriented(kind, PICTURE, 1))
    assert kind == "JPEG" or np.array_equal(upright, PICTURE)
    assert np.array_equal(decoded(oriented(kind, PICTURE, orientation)), TURNED[orientation](upright))


def converted(kind: str, mode: str) -> bytes:
    return encoded(kind, Image.fromarray(PICTURE).convert(mode))


def in_16_bits(kind: str, channels: int) -> bytes:
    image = np.full((8, 8, channels), 300, dtype=np.uint16)
    return cv2.imencode({"PNG": ".png", "TIFF": ".tif", "PPM": ".ppm" if channels == 3 else ".pgm"}[kind], image)[1].tobytes()


def with_transparency(mode: str) -> bytes:
    picture = Image.fromarray(PICTURE)
    image = picture.quantize(16) if mode == "P" else picture.convert(mode)
    return encoded("PNG", image, transparency=(8, 8, 8) if mode == "RGB" else 3)


def frames(kind: str) -> bytes:
    turned = Image.fromarray(PICTURE[::-1])
    return encoded(kind, PICTURE, save_all=True, append_images=[turned, Image.fromarray(PICTURE)])


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (converted("PNG", "RGBA"), "is RGBA, with an alpha channel: convert it to 8-bit gray or RGB"),
        (converted("PNG", "LA"), "is gray with an alpha channel: convert it"),
        (converted("TIFF", "RGBA"), "is RGBA, with an alpha channel: convert it"),
        (converted("TIFF", "CMYK"), "is CMYK: convert it"),
        (converted("JPEG", "CMYK"), "is CMYK: convert it"),
        (converted("TIFF", "YCbCr"), "is YCbCr: convert it"),
        (converted("TIFF", "LAB"), "is LAB: convert it"),
        (converted("TIFF", "F"), "is of floating-point numbers: convert it"),
        *((with_transparency(mode), "has transparent pixels: convert it") for mode in ("P", "L", "RGB")),
        *((in_16_bits(kind, 3), "has 16 bits a channel: convert it to 8") for kind in ("PNG", "TIFF", "PPM")),
        *((in_16_bits(kind, 1), "is of 16 (or 32 )?bits a channel: convert it") for kind in ("PNG", "TIFF", "PPM")),
        *((frames(kind), r"has more than one picture .an animation, or pages.") for kind in ("GIF", "PNG", "TIFF", "WEBP")),
        (png_that_claims(8, 8, depth=3), "is not an image, or is damaged"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "is not an image, or is damaged: remove it, or convert it to one of PNG, JPEG, BMP"),
    ],
)
def test_what_would_be_guessed_is_refused(decoded: Decoded, content: bytes, match: str) -> None:
    with pytest.raises(ValueError, match=rf"image {match}"):
        decoded(content)


def test_every_kind_is_told_by_its_content(decoded: Decoded) -> None:
    for kind in KINDS:
        assert decoded(encoded(kind, PICTURE)).shape == PICTURE.shape
