"""A trained network as a file: `rlnet.load("runs/digits/relu-50k/student")` builds it again, masks and all."""

from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from masks import Masks, find_sites, get_masks, linearize
from rlnet.models import ModeNetwork, NetworkConfig, build
from rlnet.training import checkpoint


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

    x: images (B, C, H, W) in [0, 1]. Raises ValueError for a file that is missing, damaged or not of this program; nothing
    in it is executed.
    """
    file = find(path)
    return from_content(checkpoint.load(file, device), file)[0].to(device)


def load_with_facts(path: str | Path) -> tuple[ModeNetwork, Facts]:
    """The trained network and what it was made for, from a stage folder or checkpoint file."""
    file = find(path)
    return from_content(checkpoint.load(file), file)


def masks_of(network: ModeNetwork, sites: dict[str, tuple[int, int, int]]) -> Masks:
    """A mask for every site, bool (C, H, W): an all-ReLU site keeps everything."""
    partial = get_masks(network)
    return {name: partial.get(name, torch.ones(shape, dtype=torch.bool)) for name, shape in sites.items()}
