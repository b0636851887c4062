"""A trained network as a file: `rlnet.load("runs/digits/relu-50k/student")` builds it again, masks, switch and all."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
import yaml
from torch import Tensor

from masks import Masks, find_sites, get_masks, linearize
from masks.atomic_file import write_json
from rlnet.attacks import AttackConfig, Pixels
from rlnet.data import DataConfig
from rlnet.models import ModeNetwork, NetworkConfig, Switch, build
from rlnet.training import checkpoint

SWITCH_FILE = "switch.json"


@dataclass(frozen=True)
class Facts:
    """What a network was made for: its architecture, data set, classes, and (C, H, W), mean and std of its images."""

    network: NetworkConfig
    dataset: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def build(self, seed: int = 0) -> ModeNetwork:
        """The all-ReLU network with random weights."""
        network = build(self.network, len(self.classes), self.mean, self.std, seed)
        return network.to(memory_format=torch.channels_last)

    @property
    def example(self) -> Tensor:
        """One image the network accepts, (1, C, H, W)."""
        return torch.zeros(1, *self.image_shape)


def to_content(network: ModeNetwork, facts: Facts) -> dict[str, Any]:
    """What a checkpoint holds of a trained network."""
    plain_facts = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(facts).items()}
    return {"facts": plain_facts, "weights": network.state_dict(), "masks": get_masks(network)}


def from_content(content: dict[str, Any], origin: Path) -> tuple[ModeNetwork, Facts]:
    """The network in eval mode, and its facts, from what `to_content` returned. Raises ValueError where it does not fit."""
    try:
        plain_facts = {name: tuple(v) if isinstance(v, list) else v for name, v in content["facts"].items()}
        facts = Facts(**plain_facts | {"network": NetworkConfig(**plain_facts["network"])})
        network = facts.build()
        sites = find_sites(network, facts.example)
        linearize(network, content["masks"])
        network.load_state_dict(content["weights"])
        network.to(memory_format=torch.channels_last)
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError) as error:
        reason = shorten(f"{type(error).__name__}: {error}", 300)  # torch writes a line for each weight
        raise ValueError(f"{origin} holds no network that this program can build ({reason}); name another file") from error
    wrong = [name for name, mask in get_masks(network).items() if tuple(mask.shape) != sites[name]]
    if wrong:
        raise ValueError(f"{origin}: the masks of {', '.join(wrong)} do not have the shapes of their sites")
    return network.eval(), facts


def find(path: str | Path) -> Path:
    """The checkpoint that a path means: itself, or the `best.pt` of a stage folder or of a budget's folder's student."""
    path = Path(path)
    for candidate in (path, path / "best.pt", path / "student" / "best.pt"):
        if candidate.is_file():
            return candidate
    raise ValueError(f"{path} is neither a checkpoint nor the folder of a finished stage, such as runs/digits/relu-50k/student")


def load(path: str | Path, device: torch.device | str = "cpu") -> ModeNetwork:
    """The trained network of a stage folder or checkpoint file, in eval mode: `network(x, mode="normal")` gives logits.

    x: images (B, C, H, W) in [0, 1]. Mode "auto" is ready where the network has been calibrated. Raises ValueError for a file
    that is missing, damaged or not of this program; nothing in it is executed.
    """
    return load_with_facts(path, device)[0].to(device)


def load_with_facts(path: str | Path, device: torch.device | str = "cpu") -> tuple[ModeNetwork, Facts]:
    """The trained network and what it was made for, from a stage folder or checkpoint file."""
    file = find(path)
    network, facts = from_content(checkpoint.load(file, device), file)
    network.switch = read_switch(file.parent)
    return network, facts


def read_switch(folder: Path) -> Switch | None:
    """The automatic switch that was calibrated for the network in a folder, if one was. Raises ValueError."""
    file = folder / SWITCH_FILE
    if not file.exists():
        return None
    try:
        found = json.loads(file.read_text())
        return Switch(found["score"], float(found["threshold"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({error}); delete it, and run python -m rlnet.calibrate again") from error


def write_switch(folder: Path, about: dict[str, Any]) -> None:
    """Keeps a switch's score and threshold, and how it was calibrated, beside the network's checkpoint."""
    write_json(folder / SWITCH_FILE, about)


@dataclass(frozen=True)
class Origin:
    """What a network was trained on: its data, the attack of its training, and the seed that split the data."""

    data: DataConfig
    attack: AttackConfig
    seed: int


def origin_of(path: str | Path, facts: Facts) -> Origin:
    """What the stage folder of a network says of its training; without one, the data set's name and defaults.

    Raises ValueError where the folder's config.yaml is damaged.
    """
    file = find(path).with_name("config.yaml")
    if not file.exists():
        name, _, root = facts.dataset.partition(":")
        return Origin(DataConfig(name, root or DataConfig.root), AttackConfig(), 0)
    try:
        found = yaml.safe_load(file.read_text())
        attack = found["attack"]
        lengths = {name: Pixels(attack[name]) for name in ("eps", "step_size")}
        return Origin(DataConfig(**found["data"]), AttackConfig(**attack | lengths), found["seed"])
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        reason = shorten(f"{type(error).__name__}: {error}", 300)
        raise ValueError(f"{file} is damaged ({reason}); copy it from another stage of this run") from error


def masks_of(network: ModeNetwork, sites: dict[str, tuple[int, int, int]]) -> Masks:
    """A mask for every site, bool (C, H, W): an all-ReLU site keeps everything."""
    partial = get_masks(network)
    return {name: partial.get(name, torch.ones(shape, dtype=torch.bool)) for name, shape in sites.items()}
