"""Searches a robust network under a limit of ReLUs, multiply-accumulates or parameters.

python -m rlnet.nas --family proard --max-relus 100k
python -m rlnet.finetune --network runs/digits/nas-proard-100k/spec.json --relu-budget 20k
"""

import sys
from typing import Any

from rlnet.cli import announce, command
from rlnet.nas.config import NasConfig


def search_network(config: NasConfig) -> dict[str, Any]:
    """The card of a search; stages that are complete are reused, one that was interrupted goes on."""
    config.check_files()
    announce(f"a network of {config.family} for {config.data.name}, limits {config.limit_name}, into {config.experiment}")
    from rlnet.nas import whole

    return whole.search_network(config)


def main(arguments: list[str] | None = None) -> int:
    return command(search_network, NasConfig, arguments)


if __name__ == "__main__":
    sys.exit(main())
