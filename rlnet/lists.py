"""Lists on the command line as people write them: `--attacks fgsm,pgd-20`, `--curve 2/255,8/255`; in YAML also [a, b]."""

from collections.abc import Iterable

from jsonargparse.typing import register_type

from rlnet.attacks.config import Pixels


class Names(tuple[str, ...]):
    """Words, none of them twice: Names("fgsm,pgd-20"); "none" or "" is no word. Raises ValueError."""

    def __new__(cls, value: str | Iterable[str] = ()) -> "Names":
        words = _items(value)
        if len(set(words)) != len(words):
            raise ValueError(f"{','.join(words)} names something twice; name each once")
        return super().__new__(cls, words)


class Distances(tuple[Pixels, ...]):
    """Distances in [0, 1] pixels, in ascending order: Distances("2/255,8/255"). Raises ValueError."""

    def __new__(cls, value: str | Iterable[str] = ()) -> "Distances":
        distances = [Pixels(item) for item in _items(value)]
        if any(not 0 <= distance <= 1 for distance in distances):
            raise ValueError(f"{','.join(map(str, distances))}: a distance between images in [0, 1] lies in [0, 1], like 8/255")
        return super().__new__(cls, sorted(distances))


def _items(value: str | Iterable[str]) -> list[str]:
    if isinstance(value, str):
        value = value.strip().strip("[]").split(",")
    elif not isinstance(value, Iterable):
        raise ValueError(f"{value!r} is no list; write it with commas")
    return [word for word in (str(item).strip().strip("'\"") for item in value) if word not in ("", "none")]


def written(items: Iterable[str]) -> str:
    """A list as it is written on the command line."""
    return ",".join(map(str, items)) or "none"


for _kind in (Names, Distances):  # a default value reaches the serializer as a plain tuple
    register_type(_kind, serializer=written, deserializer=_kind)
