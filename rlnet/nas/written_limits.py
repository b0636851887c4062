"""Limits as people write them: 100k ReLUs, 1.5m parameters, 2g multiply-accumulates, a latency of 2.5s or 800ms."""

import re
from fractions import Fraction

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def parse_latency(text: str | None) -> float | None:
    """A latency as people write it, 2.5s or 800ms, in milliseconds; None is none. Raises ValueError."""
    if text is None:
        return None
    written = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s)\s*", str(text), re.ASCII)
    milliseconds = float(written[1]) * {"ms": 1, "s": 1000}[written[2]] if written else 0.0
    if not 0 < milliseconds < float("inf"):
        raise ValueError(f"{str(text)!r} is no latency; write 2.5s or 800ms")
    return milliseconds


def parse_limit(text: str | int | None, of: str = "relus") -> int | None:
    """A limit as people write it, 100k, 1.5m or 2g; None is none. of: what it limits. Raises ValueError."""
    if text is None:
        return None
    written = re.fullmatch(r"\s*(\d+(?:_\d+)*(?:\.\d+)?)\s*([kmg]?)\s*", str(text), re.IGNORECASE)
    limit = Fraction(written[1].replace("_", "")) * UNITS[written[2].lower()] if written else Fraction(0)
    if limit < 1 or limit.denominator != 1:
        raise ValueError(
            f"{str(text)!r} is no limit of {of}; write a whole number of at least 1, such as 50000, 100k, 1.5m or 2g"
        )
    return int(limit)
