"""An untrained network with a budget of ReLUs, as ONNX: what a budget costs under encryption can be measured before training.

python -m rlnet.untrained --relu-budget 50k --network.width 64 --output resnet18-50k.onnx

Latency, rounds and bytes depend on the architecture and on where ReLUs are kept, not on the weights.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from masks.budget import read_budget
from rlnet.cli import announce, command
from rlnet.models.config import NetworkConfig

if TYPE_CHECKING:
    from masks import Masks, Shape

CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True)
class UntrainedConfig:
    """Exports an untrained network with so many ReLUs to ONNX.

    Args:
        output: the file.
        relu_budget: ReLUs to keep, as 50000, 50k, 0.05m or 36%.
        sensitivity: a published vector (resnet18-50k, ...) that says where; by default all sites keep the same part.
        network: which network.
        image_size: height and width of the images, which have three channels.
        classes: how many.
        seed: of the weights and of which ReLUs a site keeps.
        device: where to compute.
    """

    output: Path
    relu_budget: int | str = "100%"
    sensitivity: str | None = None
    network: NetworkConfig = field(default_factory=NetworkConfig)
    image_size: int = 32
    classes: int = 10
    seed: int = 0
    device: Literal["cpu"] = "cpu"

    def __post_init__(self) -> None:
        read_budget(str(self.relu_budget))


def random_masks(sites: "dict[str, Shape]", budget: int, sensitivity: str | None, seed: int) -> "Masks":
    """Masks that keep `budget` ReLUs, by the water-filled vector's name; within a site which ones is drawn."""
    import torch

    from masks import preset_sensitivity, random_mask, waterfill

    capacities = [c * h * w for c, h, w in sites.values()]
    shares = capacities if sensitivity is None else preset_sensitivity(sensitivity, capacities)
    counts = waterfill(shares, capacities, budget)
    generator = torch.Generator().manual_seed(seed)
    return {name: random_mask(shape, count, generator) for (name, shape), count in zip(sites.items(), counts, strict=True)}


def untrained(config: UntrainedConfig) -> None:
    """Builds, linearizes and exports the network."""
    announce(f"{config.network.name} without training, {config.relu_budget} ReLUs, into {config.output}")
    import torch

    from masks import find_sites, linearize, parse_budget
    from rlnet.models import build
    from rlnet.models.onnx_file import export

    shape = (3, config.image_size, config.image_size)
    network = build(config.network, config.classes, CIFAR10_MEAN, CIFAR10_STD, config.seed).eval()
    sites = find_sites(network, torch.zeros(1, *shape))
    budget = parse_budget(str(config.relu_budget), sum(c * h * w for c, h, w in sites.values()))
    linearize(network, random_masks(sites, budget, config.sensitivity, config.seed))
    config.output.parent.mkdir(parents=True, exist_ok=True)
    export(network, shape, config.output, "normal")
    print(config.output)


def main(arguments: list[str] | None = None) -> int:
    return command(untrained, UntrainedConfig, arguments)


if __name__ == "__main__":
    sys.exit(main())
