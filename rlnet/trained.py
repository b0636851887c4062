"""A trained network as a file: `rlnet.load("runs/digits/relu-50k/student")` builds it again, masks, switch and all."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
import yaml
from torch import Tensor

from masks import find_sites, get_masks, linearize
from masks.atomic_file import write_json
from rlnet.attacks import AttackConfig, Pixels
from rlnet.data import DataConfig, Dataset
from rlnet.data.identity.fingerprint import Fingerprint
from rlnet.models import ModeNetwork, NetworkConfig, Switch, build
from rlnet.runs import find
from rlnet.training import checkpoint

SWITCH_FILE = "switch.json"


@dataclass(frozen=True)
class Facts:
    """What a network was made for: its architecture, data set, classes, and (C, H, W), mean and std of its images.

    images: of which images its data set consisted; None in a checkpoint of an earlier version.
    """

    network: NetworkConfig
    dataset: str
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    images: Fingerprint | None = None

    @classmethod
    def of(cls, network: NetworkConfig, config: DataConfig, data: Dataset) -> "Facts":
        """Of a network for a data set."""
        return cls(network, config.title, data.classes, data.image_shape, data.mean, data.std, data.fingerprint)

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
    values = asdict(replace(facts, images=None)) | {"images": facts.images and facts.images.plain()}
    plain_facts = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {"facts": plain_facts, "weights": network.state_dict(), "masks": get_masks(network)}


def from_content(content: dict[str, Any], origin: Path) -> tuple[ModeNetwork, Facts]:
    """The network in eval mode, and its facts, from what `to_content` returned. Raises ValueError where it does not fit."""
    try:
        plain_facts = {name: tuple(v) if isinstance(v, list) else v for name, v in content["facts"].items()}
        images = plain_facts.get("images")
        built = {"network": NetworkConfig(**plain_facts["network"]), "images": images and Fingerprint.from_plain(images)}
        facts = Facts(**plain_facts | built)
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
