"""Stage 1: a robust all-ReLU teacher, trained on clean, augmented and adversarial views (RLNet Sec. 2.4.1, Eq. 1).

python -m rlnet.teacher --config configs/cifar10.yaml
"""

import sys
from typing import TYPE_CHECKING

from rlnet.cli import announce, command
from rlnet.config import Config

if TYPE_CHECKING:
    from rlnet.models import ModeNetwork


def train_teacher(config: Config) -> "ModeNetwork":
    """Stage 1 of an experiment, in eval mode: `teacher(x, mode="adversarial")`. Stages that are complete are reused."""
    config.check_files()
    announce(f"a teacher of {config.title}, into {config.experiment}")
    from rlnet.stages import teacher

    return teacher.train(config)


def main(arguments: list[str] | None = None) -> int:
    return command(train_teacher, Config, arguments)


if __name__ == "__main__":
    sys.exit(main())
