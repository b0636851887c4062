"""Stage 2: which ReLUs the student keeps (RLNet Sec. 2.4.2, after SENet, Kundu et al. 2023).

python -m rlnet.mask_search --relu-budget 50k
"""

import sys
from typing import TYPE_CHECKING

from rlnet.cli import announce, command
from rlnet.config import Config

if TYPE_CHECKING:
    from masks import Masks


def search_masks(config: Config) -> "Masks":
    """Stages 1 and 2 of an experiment: the masks, bool (C, H, W) by site. Stages that are complete are reused."""
    config.check_files()
    announce(f"masks of {config.relu_budget} ReLUs for {config.title}, into {config.experiment}")
    from rlnet.stages import mask_search

    return mask_search.search(config)


def main(arguments: list[str] | None = None) -> int:
    return command(search_masks, Config, arguments)


if __name__ == "__main__":
    sys.exit(main())
