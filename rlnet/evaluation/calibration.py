"""Calibrating the automatic switch of a network, in memory or in its folder: switch.json beside the checkpoint."""

from pathlib import Path
from typing import Any

from rlnet.data import ImageSet
from rlnet.evaluation import captions
from rlnet.evaluation.config import CalibrateConfig
from rlnet.evaluation.of_file import images_for
from rlnet.evaluation.paths import has_two_paths, open_paths
from rlnet.evaluation.switching import calibrate
from rlnet.models import ModeNetwork
from rlnet.runs import find
from rlnet.trained import load_with_facts, origin_of, write_switch
from rlnet.training import distributed
from rlnet.training.device import resolve
from rlnet.training.ownership import owning


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
    held_out = images_for(path, facts, origin).validation
    device = resolve(config.device, "fp32", distributed.local_rank()).device
    folder = find(path).parent
    with owning(folder):
        about = calibrate_network(network.to(device), held_out, folder, config)
    if about is None:
        raise ValueError(f"{path} has one path, so there is nothing to switch between")
    found = about["held_out"]
    print(
        f"threshold {about['threshold']:.4g} on {about['score']}: {found['to_adversarial_path']:.1%} of {found['n']:,} clean "
        f"held-out images take the adversarial path, CA {found['auto']:.1%} against {found['normal']:.1%} in mode normal"
    )
    if text := captions.one_path(about["threshold"]):
        print(text)
