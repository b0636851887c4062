"""Where the files of a run lie."""

from pathlib import Path


def find(path: str | Path) -> Path:
    """The checkpoint that a path means: itself, or the `best.pt` of a stage folder or of a budget's folder's student."""
    path = Path(path)
    for candidate in (path, path / "best.pt", path / "student" / "best.pt"):
        if candidate.is_file():
            return candidate
    raise ValueError(f"{path} is neither a checkpoint nor the folder of a finished stage, such as runs/digits/relu-50k/student")
