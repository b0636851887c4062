"""What a card says beside the result: how to get it again, and on what it was made."""

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shell.commit import commit

if TYPE_CHECKING:
    import torch

    from masks import Masks

PACKAGES = ("torch", "torchvision", "numpy", "albumentations", "onnx", "onnxruntime")


def provenance(seed: int, device: "torch.device", also: tuple[str, ...] = ()) -> dict[str, object]:
    """Seed, command, commit, versions and hardware. also: names of further packages that the result depends on."""
    import torch  # here, since cards are also read and shown without it

    hardware = {"device": device.type, "processor": _processor(), "threads": torch.get_num_threads()}
    if device.type == "cuda":
        hardware["accelerator"] = torch.cuda.get_device_name(device)
    return {
        "seed": seed,
        "command": _command(),
        "commit": commit(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in (*PACKAGES, *also)}},
        "hardware": hardware,
    }


def network_title(network: dict[str, Any]) -> str:
    """A card's network in words: its name, and its width where that is not the name's."""
    return network["name"] if network["width"] is None else f"{network['name']}, width {network['width']}"


def read_card(file: Path) -> dict:
    """The card in a file. Raises ValueError, naming the file, for what is none."""
    try:
        card = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file} is damaged; run the command that made it again") from error
    return card if isinstance(card, dict) else {}


def relu_counts(masks: "Masks") -> dict[str, object]:
    """The ReLUs of a network by site: how many there are and how many are kept."""
    sites = {name: {"total": mask.numel(), "kept": int(mask.sum())} for name, mask in masks.items()}
    return {
        "total": sum(site["total"] for site in sites.values()),
        "kept": sum(site["kept"] for site in sites.values()),
        "sites": sites,
    }


def _command() -> str:
    module = getattr(sys.modules["__main__"], "__spec__", None)
    program = f"python -m {module.name.removesuffix('.__main__')}" if module is not None else Path(sys.argv[0]).name
    return " ".join([program, *sys.argv[1:]])


def _processor() -> str:
    """The processor's name, or its architecture where the system does not say."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
