"""Sets the threshold of the automatic switch between the modes, so that `student(x, mode="auto")` works.

    python -m rlnet.calibrate runs/digits/relu-50k/student --clean_loss 0.01

Leaves switch.json beside the checkpoint, which `rlnet.load` reads. `rlnet.evaluate --mode auto` tells what the switch is worth.
"""

import sys
from pathlib import Path

from rlnet.cli import announce, command
from rlnet.evaluation.config import CalibrateConfig
from rlnet.runs import find


def calibrate_file(path: Path, config: CalibrateConfig) -> None:
    """Calibrates the switch of the network of a stage folder or checkpoint."""
    announce(f"{find(path)}: a switch by {config.score}, which may cost {config.clean_loss:.1%} of the clean accuracy")
    from rlnet.evaluation import calibration

    calibration.calibrate_file(path, config)


def main(arguments: list[str] | None = None) -> int:
    return command(calibrate_file, CalibrateConfig, arguments, positional={"path": (Path, "stage folder or checkpoint")})


if __name__ == "__main__":
    sys.exit(main())
