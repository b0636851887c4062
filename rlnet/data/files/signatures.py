"""The kinds of image files that are read, told by their first bytes and not by their names."""

import re
import struct
from pathlib import Path

SIGNATURE_BYTES = 32
PLAIN = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF87a": "GIF", b"GIF89a": "GIF"}
PLAIN |= {order: "TIFF" for order in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")}
PPM = re.compile(rb"P[1-6]\s+(\d|#)")  # then its width, or a comment
BMP_HEADER_BYTES = {12, 16, 40, 52, 56, 64, 108, 124}
KINDS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WebP", "PPM")
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm"}


def kind_of(head: bytes) -> str | None:
    """The kind of image that a file of these first 32 bytes is, one of KINDS; None for any other file. PPM: also PGM, PBM."""
    for signature, kind in PLAIN.items():
        if head.startswith(signature):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if PPM.match(head):
        return "PPM"
    # "BM" may begin a text as well; no text has a small number in the four bytes that follow the offset of the pixels.
    if head.startswith(b"BM") and len(head) >= 18 and struct.unpack("<I", head[14:18])[0] in BMP_HEADER_BYTES:
        return "BMP"
    return None


def looks_like_an_image(path: Path) -> bool:
    """Whether a file is named or begins as an image does. One that cannot be read is judged by its name."""
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with open(path, "rb") as file:
            return kind_of(file.read(SIGNATURE_BYTES)) is not None
    except OSError:
        return False
