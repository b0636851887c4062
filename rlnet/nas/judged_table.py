"""Every network that a search judged, as a CSV file: to be looked at in a spreadsheet, and to compare searches by."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from masks.atomic_file import write_atomically

if TYPE_CHECKING:  # reports read these files without torch
    from rlnet.nas.limits import Limits
    from rlnet.nas.search import Judged


def write_judged(judged: "list[Judged]", limits: "Limits", path: Path) -> None:
    """One row each, in the order given: when it was judged, accuracies (fractions of 1), costs per image, genes as 0-2-1."""
    rows = [
        {"generation": one.generation, "clean": one.clean, "adversarial": one.adversarial}
        | limits.quantities(one.cost)
        | {"genes": "-".join(map(str, one.genes))}
        for one in judged
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, lambda file: file.write(text.getvalue().encode()))


def read_judged(path: Path) -> list[dict[str, str]]:
    """The rows of such a file, as text. Raises ValueError, naming the file, for one that is damaged."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or any(None in row or None in row.values() or "genes" not in row for row in rows):
        raise ValueError(f"{path} is damaged; run the search again")
    return rows
