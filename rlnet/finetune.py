"""The main job: a robust partial-ReLU student of an exact ReLU budget, from images to an ONNX file.

    python -m rlnet.finetune --relu-budget 50k

Runs whatever stages are missing: the teacher (`rlnet.teacher`), the masks (`rlnet.mask_search`), and stage 3, the fine-tuning
of the student. Leaves `runs/<experiment>/relu-<budget>/student/` with card.json, student.onnx, best.pt, switch.json (mode
"auto") and plots.
"""

import sys
from typing import TYPE_CHECKING

from rlnet.cli import announce, command
from rlnet.config import Config

if TYPE_CHECKING:
    from rlnet.stages.student import Student


def finetune(config: Config) -> "Student":
    """All three stages of an experiment; those that are complete are reused. Prints the table of teacher and student."""
    config.check_files()
    announce(f"a student of {config.relu_budget} ReLUs, {config.title}, into {config.experiment}")
    from rlnet.stages import student

    return student.finetune(config)


def main(arguments: list[str] | None = None) -> int:
    return command(finetune, Config, arguments)


if __name__ == "__main__":
    sys.exit(main())
