"""The card of a benchmark as a file."""

from pathlib import Path
from typing import Any

from masks.atomic_file import write_json


def check_output(output: Path | None) -> None:
    """Raises ValueError where a card could not be written, before anything is measured."""
    if output is not None and not output.parent.is_dir():
        raise ValueError(f"the folder of {output} does not exist; make it, or choose another --output")


def write_card(card: dict[str, Any], output: Path | None) -> None:
    """Writes a card, if it is to be kept."""
    if output is not None:
        write_json(output, card)
