"""Times, bytes, counts and names as people read them."""


def figures(value: float) -> str:
    """Three significant figures, or all digits before the point; a small value keeps two decimals."""
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def duration(ms: float) -> str:
    """412 ms, 1.24 s or 3.1 min: three figures and the unit that keeps them short."""
    if ms < 999.5:
        return f"{figures(ms)} ms"
    if ms < 119_950:
        return f"{figures(ms / 1000)} s"
    return f"{figures(ms / 60_000)} min"


def span(low_ms: float, high_ms: float) -> str:
    """Both ends of an interval in the unit of the upper one: 405-420 ms."""
    high, unit = duration(high_ms).split()
    scale = {"ms": 1, "s": 1000, "min": 60_000}[unit]
    return f"{figures(low_ms / scale)}-{high} {unit}"


def size(count: float) -> str:
    """16.6 MB; units are powers of 1000."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * scale:
            return f"{figures(count / scale)} {unit}"
    return f"{count:.0f} B"


def short_count(count: int) -> str:
    """50k, 12.9k or 1.39M, for the axis of a picture."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * scale:
            return f"{count / scale:.3g}{unit}"
    return str(count)


def times(ratio: float) -> str:
    """3.42x."""
    return f"{figures(ratio)}x"


def plain(name: str) -> str:
    """A name out of a file without what could steer a terminal: control characters become question marks."""
    return "".join(character if character.isprintable() else "?" for character in name)
