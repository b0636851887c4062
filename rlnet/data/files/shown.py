"""Names of files as they can be printed: what is no character, or moves a terminal's cursor, is written as an escape."""

import os
from pathlib import Path

SURROGATE = 0xDC00  # Python reads a byte b that is not UTF-8 as the character SURROGATE + b


def shown(path: Path | str | bytes) -> str:
    r"""A file's name as text: bytes that are not UTF-8 become \xNN, other characters that cannot be printed their escapes."""
    text = os.fsdecode(path)
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def is_text(name: str | bytes) -> bool:
    """Whether a file's name is UTF-8, so that it can be written to files of text."""
    try:
        os.fsdecode(name).encode()
    except UnicodeEncodeError:
        return False
    return True


def _escaped(character: str) -> str:
    if SURROGATE <= ord(character) < SURROGATE + 256:
        return f"\\x{ord(character) - SURROGATE:02x}"
    return character.encode("unicode_escape").decode()
