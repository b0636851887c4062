"""One image file to 8-bit gray or RGB pixels, or a sentence that names the file and says why it cannot be used.

What a file is (kind, size, mode, bits, frames) is read from its header with Pillow, before a pixel is decoded. JPEG and PNG
are then decoded by OpenCV, to the same pixels as by Pillow in half the time where images are small; the rest by Pillow.
An image is turned the way its EXIF orientation says, as viewers show it.
"""

import io
import os
import stat
from pathlib import Path

import cv2
import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.Image import DecompressionBombError
from PIL.ImageFile import ImageFile

from rlnet.data.files.shown import shown
from rlnet.data.files.signatures import KINDS, SIGNATURE_BYTES, kind_of

VERSION = 2  # of the pixels that a file gives; what was decoded by another version is decoded again
MOST_PIXELS = 2**26
MOST_BYTES = 2**30
TOO_LARGE = f"says that it has {{}} pixels: images may have {MOST_PIXELS:,}; make it smaller, or remove it"
READERS: dict[str, type[ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}
MODES = {"1": "gray", "L": "gray", "RGB": "RGB", "P": "RGB"}
OTHER_MODES = {
    "LA": "gray with an alpha channel",
    "RGBA": "RGBA, with an alpha channel",
    "I;16": "of 16 bits a channel",
    "I": "of 16 or 32 bits a channel",
    "F": "of floating-point numbers",
}
PNG_BIT_DEPTH = 24  # where it stands in the file
TIFF_BITS = 258  # the tag of bits per sample
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND"}


def decode(path: Path) -> np.ndarray:
    """The pixels of a file, uint8, gray (H, W, 1) or RGB (H, W, 3). Raises ValueError for everything else."""
    content = read(path)
    kind = kind_of(content[:SIGNATURE_BYTES])
    if kind is None:
        raise ValueError(f"{shown(path)} is not an image, or is damaged: remove it, or convert it to one of {', '.join(KINDS)}")
    try:
        stream = io.BytesIO(content)
        image = READERS[kind](stream)
        refusal = _refusal(image, kind, content)
        if refusal is None:
            return _pixels(image, kind, content, stream.tell())
    except DecompressionBombError as error:  # WebP's canvas is made when the header is read, so Pillow has a bound of its own
        raise ValueError(f"{shown(path)} {TOO_LARGE.format('more')}") from error
    except MemoryError as error:
        raise ValueError(f"{shown(path)} needs more memory than there is: make it smaller") from error
    except Exception as error:  # decoders meet damage in many ways, and none of their words name the file
        why = " ".join(f"{kind}: {error}".split())
        raise ValueError(f"{shown(path)} is not an image, or is damaged: remove it or put it right ({why})") from error
    raise ValueError(f"{shown(path)} {refusal}")


def read(path: Path) -> bytes:
    """What a file holds. Raises ValueError for what is no file, too large, or cannot be read."""
    try:
        # Without waiting: opening a pipe would wait for its writer for ever.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError(f"{shown(path)} is not a file but a pipe or a device: remove it")
            if status.st_size > MOST_BYTES:
                raise ValueError(f"{shown(path)} has {status.st_size:,} bytes: images may have {MOST_BYTES:,}; make it smaller")
            return file.read()
    except OSError as error:
        raise ValueError(f"{shown(path)} cannot be read ({error.strerror}): allow reading it, or take it away") from error


def _refusal(image: ImageFile, kind: str, content: bytes) -> str | None:
    """Why an image is not used though it may be whole; None for one that is."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        return TOO_LARGE.format(f"{width}x{height}")
    if getattr(image, "is_animated", False):
        return "has more than one picture (an animation, or pages): save one of them as a file of its own"
    if image.mode not in MODES:
        return f"is {OTHER_MODES.get(image.mode, image.mode)}: convert it to 8-bit gray or RGB"
    if "transparency" in image.info:
        return "has transparent pixels: convert it to 8-bit gray or RGB, without transparency"
    if (bits := _bits(image, kind, content)) > 8:
        return f"has {bits} bits a channel: convert it to 8"
    return None


def _bits(image: ImageFile, kind: str, content: bytes) -> int:
    """Bits a channel, as stored; Pillow drops those beyond 8 without a word."""
    if kind == "PNG":
        return content[PNG_BIT_DEPTH]
    if kind == "TIFF":
        return max(image.tag_v2.get(TIFF_BITS, (1,)))
    if kind == "PPM" and isinstance(image.tile[0].args, tuple):
        return int(image.tile[0].args[1]).bit_length()
    return 8


def _pixels(image: ImageFile, kind: str, content: bytes, scan: int) -> np.ndarray:
    """uint8, gray (H, W, 1) or RGB (H, W, 3). scan: where the header ends. Raises any error for a damaged file."""
    if kind not in ("JPEG", "PNG"):
        # Whether all colours of a GIF are gray is chance: it has a table of colours in any case.
        mode = "L" if MODES[image.mode] == "gray" and kind != "GIF" else "RGB"
        pixels = np.asarray(ImageOps.exif_transpose(image).convert(mode))
        return pixels[..., None] if pixels.ndim == 2 else pixels
    # Where the rest of a file was never written (zeros), decoders invent it.
    if content.find(ENDS[kind], scan) < 0:
        raise ValueError("it has no end")
    # ANYCOLOR: gray stays gray; unlike UNCHANGED, it minds the EXIF orientation.
    pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_ANYCOLOR)
    if pixels is None:
        raise ValueError("its pixels cannot be decoded")
    return pixels[..., None] if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
