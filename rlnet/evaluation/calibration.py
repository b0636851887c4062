"""Sets the threshold of the automatic switch between the modes, so that `student(x, mode="auto")` works.

    python -m rlnet.calibrate runs/digits/relu-50k/student --clean_loss 0.01

Leaves switch.json beside the checkpoint, which `rlnet.load` reads. `rlnet.evaluate --mode auto` tells what the switch is worth.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rlnet.cli import command
from rlnet.data import ImageSet, load
from rlnet.evaluation.paths import has_two_paths, open_paths
from rlnet.evaluation.switching import calibrate
from rlnet.models import ModeNetwork
from rlnet.models.switch import Score
from rlnet.trained import find, load_with_facts, origin_of, write_switch
from rlnet.training import distributed
from rlnet.training.device import resolve


@dataclass(frozen=True)
class CalibrateConfig:
    """Sets the threshold of the automatic switch on the held-out part of the training images.

    Args:
        score: what the switch goes by: agreement (how far the adversarial path believes the normal path's answer), or the
            confidence of the normal or of the adversarial path in its own answer.
        clean_loss: how much accuracy on clean held-out images switching may cost, a fraction of 1.
        device: where to compute; auto takes a GPU if there is one.
    """

    score: Score = "agreement"
    clean_loss: float = 0.01
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.clean_loss <= 1:
            raise ValueError(f"clean_loss is {self.clean_loss}; it is a fraction of the accuracy, for instance 0.01")


def calibrate_network(
    network: ModeNetwork, held_out: ImageSet, folder: Path, config: CalibrateConfig | None = None
) -> dict[str, Any] | None:
    """Gives the network its switch and writes switch.json into its folder; returns what that says.

    A network with one path gets none: its modes are the same. held_out: images that it was not trained on.
    """
    if not has_two_paths(network):
        return None
    config = config or CalibrateConfig()
    device = next(network.parameters()).device
    with open_paths(network, ("normal", "adversarial")) as paths:
        network.switch, about = calibrate(paths, held_out, config.score, config.clean_loss, device)
    if distributed.rank() == 0:
        write_switch(folder, about)
    return about


def calibrate_file(path: Path, config: CalibrateConfig) -> None:
    """Calibrates the switch of the network of a stage folder or checkpoint."""
    network, facts = load_with_facts(path)
    origin = origin_of(path, facts)
    held_out = load(origin.data, origin.seed).validation
    device = resolve(config.device, "fp32", distributed.local_rank()).device
    about = calibrate_network(network.to(device), held_out, find(path).parent, config)
    if about is None:
        raise ValueError(f"{path} has one path, so there is nothing to switch between")
    found = about["held_out"]
    print(
        f"threshold {about['threshold']:.4g} on {about['score']}: {found['to_adversarial_path']:.1%} of {found['n']:,} clean "
        f"held-out images take the adversarial path, CA {found['auto']:.1%} against {found['normal']:.1%} in mode normal"
    )


def main(arguments: list[str] | None = None) -> int:
    return command(calibrate_file, CalibrateConfig, arguments, positional={"path": (Path, "stage folder or checkpoint")})


if __name__ == "__main__":
    sys.exit(main())
