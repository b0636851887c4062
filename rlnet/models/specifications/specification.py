"""The specification of a searched network: frozen, hashable, the same text for the same network."""

from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from masks.atomic_file import write_json

VERSION = 1
LATER = {"later": True}  # of a field that older files have not: at its default it is left out, and their text stays the same


@dataclass(frozen=True)
class Specification:
    """All that decides a network's architecture but its classes, its input's normalisation and its kind of batch norm.

    A subclass is a frozen dataclass of numbers, words, and tuples of them or of other such dataclasses; `family` is its name in
    files. It checks itself: a specification that exists can be built (`rlnet.models.building`).
    """

    family: ClassVar[str]

    def plain(self) -> dict[str, Any]:
        """As JSON has it; `rlnet.models.specifications.reading.parse` is the way back."""
        return {"version": VERSION, "family": self.family, **_plain(self)}

    @classmethod
    def from_plain(cls, content: dict[str, Any]) -> Self:
        """From what `plain` returned, without version and family. Raises ValueError and TypeError for what is impossible."""
        return cls(**{name: frozen_value(value) for name, value in content.items()})

    def save(self, path: Path) -> None:
        """Writes spec.json."""
        write_json(path, self.plain(), indent=1)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        values = {item: getattr(value, item.name) for item in fields(value)}
        return {item.name: _plain(v) for item, v in values.items() if item.metadata != LATER or v != item.default}
    return value


def frozen_value(value: Any) -> Any:
    """Lists as tuples, inside and out."""
    return tuple(map(frozen_value, value)) if isinstance(value, list | tuple) else value


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a gene is a whole number of at least so many."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
