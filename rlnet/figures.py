"""What all pictures share: the colours of the views, and how a figure becomes a file."""

from pathlib import Path

from matplotlib.figure import Figure

from masks.atomic_file import write_atomically

COLOURS = {
    "clean": "tab:blue",
    "augmented": "tab:green",
    "adversarial": "tab:red",
    "shared": "tab:gray",
    "trades": "tab:purple",
}


def write_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, whole or not at all."""
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=120))
