"""What test_whole_runs.py runs on two ranks: a search, of which both ranks hold the same after every epoch.

torchrun --nproc-per-node 2 two_ranks.py --family proard ...
"""

import sys

from rlnet.nas.__main__ import main
from rlnet.training import distributed
from rlnet.training.folder import StageFolder

if __name__ == "__main__":
    save_last = StageFolder.save_last

    def compare_and_save(folder: StageFolder, content: dict) -> None:
        assert distributed.world_size() == 2
        momenta = [state["momentum_buffer"] for state in content["optimizer"]["state"].values()]
        choices = content["objective"].get("choices", {})
        assert momenta and bool(choices) == (folder.stage == "search")
        assert distributed.all_agree([*content["network"].values(), *momenta, *choices.values()]), folder.stage
        save_last(folder, content)

    StageFolder.save_last = compare_and_save
    sys.exit(main(sys.argv[1:]))
