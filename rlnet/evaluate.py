"""How robust a network is: clean, corrupted and attacked images, both modes, and the automatic switch between them.

    python -m rlnet.evaluate runs/digits/relu-50k/student
    python -m rlnet.evaluate runs/digits/relu-50k/student --mode auto --attacks pgd-20,autoattack --limit 500

Leaves card.json and pictures in the folder `evaluation` of the stage. From Python `rlnet.evaluation.evaluate` takes any torch
module. docs/evaluation.md says what each number means and what the warnings tell.
"""

import sys
from pathlib import Path
from typing import Any

from rlnet.cli import announce, command
from rlnet.evaluation.config import EvaluateConfig
from rlnet.runs import find


def evaluate_file(path: Path, config: EvaluateConfig) -> dict[str, Any]:
    """Evaluates the network of a stage folder or checkpoint; prints the tables, writes card and pictures."""
    files = [find(file) for file in (path, config.source) if file is not None]
    config.check_files()
    announce(f"{files[0]}: {config.title}")
    from rlnet.evaluation import of_file

    return of_file.evaluate_file(path, config)


def main(arguments: list[str] | None = None) -> int:
    return command(evaluate_file, EvaluateConfig, arguments, positional={"path": (Path, "stage folder or checkpoint")})


if __name__ == "__main__":
    sys.exit(main())
