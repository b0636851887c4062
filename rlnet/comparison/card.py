"""The card of a benchmark as a file."""

from pathlib import Path
from typing import Any

from masks.atomic_file import write_json


def write_card(card: dict[str, Any], output: Path | None) -> None:
    """Writes a card, if it is to be kept."""
    if output is not None:
        write_json(output, card)
