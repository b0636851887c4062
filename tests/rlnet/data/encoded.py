"""Image files of every kind and mode, in memory, for the tests of decoding."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

KINDS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
ORIENTATION = 274


def smooth(height: int = 24, width: int = 28) -> np.ndarray:
    """An RGB picture, uint8 (H, W, 3), that every corner and channel of is different."""
    y, x = np.mgrid[:height, :width]
    return np.stack([8 * y, 8 * x, 4 * (x + y)], axis=-1).astype(np.uint8)


def encoded(kind: str, image: Image.Image | np.ndarray, **settings: object) -> bytes:
    stream = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(stream, kind, **settings)
    return stream.getvalue()


def oriented(kind: str, image: np.ndarray, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return encoded(kind, image, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))


def every_kind() -> dict[str, bytes]:
    """A file of each kind, and of each way in which the kinds store pixels."""
    image = smooth()
    found = {kind: encoded(kind, image) for kind in KINDS}
    found |= {f"TIFF {name}": encoded("TIFF", image, compression=name) for name in ("tiff_lzw", "tiff_deflate", "packbits")}
    found["JPEG in scans"] = encoded("JPEG", image, progressive=True)
    found["JPEG of gray"] = encoded("JPEG", image[..., 0])
    found["WebP without loss"] = encoded("WEBP", image, lossless=True)
    found["PNG with a palette"] = encoded("PNG", Image.fromarray(image).quantize(16))
    return found


def png_that_claims(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A sound PNG header, and no pixels to speak of."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def claims_of(width: int, height: int) -> dict[str, bytes]:
    """Small files of every kind whose header says that they are of this size; below 2^16 (WebP: 2^14)."""
    image = smooth()
    wide, high = struct.pack("<H", width), struct.pack("<H", height)
    jpeg, bmp, gif, tiff = (bytearray(encoded(kind, image)) for kind in ("JPEG", "BMP", "GIF", "TIFF"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    bmp[18:26] = struct.pack("<ii", width, height)
    gif[6:10] = wide + high
    for tag, size in ((256, wide), (257, high)):
        place = tiff.index(struct.pack("<H", tag) + b"\4\0\1\0\0\0") if struct.pack("<H", tag) + b"\4\0" in tiff else None
        place = place if place is not None else tiff.index(struct.pack("<H", tag) + b"\3\0\1\0\0\0")
        tiff[place + 8 : place + 10] = size
    side = min(width, 2**14 - 1)
    webp = b"VP8L" + struct.pack("<I", 13) + b"\x2f" + struct.pack("<I", side - 1 | (side - 1) << 14) + bytes(9)
    return {
        "PNG": png_that_claims(width, height),
        "JPEG": bytes(jpeg),
        "BMP": bytes(bmp),
        "GIF": bytes(gif),
        "TIFF": bytes(tiff),
        "WebP": b"RIFF" + struct.pack("<I", 4 + len(webp)) + b"WEBP" + webp,
        "PPM": f"P6 {width} {height} 255\n".encode() + bytes(100),
    }
