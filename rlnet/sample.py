"""Test images and their labels as one .npz file, for tools that want some: `python -m pi_bench MODEL.onnx --inputs images.npz`.

python -m rlnet.sample --output images.npz --data.name cifar10 --count 100
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rlnet.cli import announce, command
from rlnet.data.config import DataConfig


@dataclass(frozen=True)
class SampleConfig:
    """Writes test images and labels to a .npz file: images uint8 (N, C, H, W), labels int64 (N,).

    Args:
        output: the file.
        data: which images.
        count: how many, drawn from the test set, the same ones every time.
        seed: of the split, where the data set has none of its own.
        device: where to compute.
    """

    output: Path
    data: DataConfig = field(default_factory=DataConfig)
    count: int = 100
    seed: int = 0
    device: Literal["cpu"] = "cpu"


def sample(config: SampleConfig) -> None:
    """Writes the file."""
    config.data.check_files()
    announce(f"{config.count} test images of {config.data.name}, into {config.output}")
    import numpy as np
    import torch

    from masks.atomic_file import write_atomically
    from rlnet.accuracy import random_part
    from rlnet.data import load

    part = random_part(load(config.data, config.seed).test, config.count)
    images = part.images[torch.arange(len(part))].numpy()
    config.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(config.output, lambda file: np.savez_compressed(file, images=images, labels=part.labels.numpy()))
    print(f"{config.output}: {len(part)} images")


def main(arguments: list[str] | None = None) -> int:
    return command(sample, SampleConfig, arguments)


if __name__ == "__main__":
    sys.exit(main())
