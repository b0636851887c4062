"""What a party runs on: for cards, and for the comparison of versions when parties meet."""

import os
import platform
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("torch", "crypten", "numpy", "onnx")


def versions() -> dict[str, str]:
    """Of Python, of this package (which is distributed with rlnet), and of those that secure runs stand on."""
    return {"python": platform.python_version(), "pi_bench": _version("rlnet"), **{name: _version(name) for name in PACKAGES}}


def compared_versions() -> dict[str, str]:
    """Those that have to be the same for all parties: what draws, multiplies and compares."""
    return {name: value for name, value in versions().items() if name in ("pi_bench", "torch", "crypten")}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def hardware() -> dict[str, Any]:
    """CPU model, the cores this process may use, memory, and torch's threads."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "machine_cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "torch_threads": torch.get_num_threads(),
        "system": platform.platform(terse=True),
    }


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
