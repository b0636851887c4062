"""How little a command loads before it helps or refuses: no torch, whose import alone takes seconds."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "finetune",
    "teacher",
    "mask_search",
    "evaluate",
    "calibrate",
    "export",
    "report",
    "sample",
    "untrained",
    "benchmark",
    "nas",
)
HEAVY = {
    "torch",
    "torchvision",
    "albumentations",
    "cv2",
    "onnx",
    "onnxruntime",
    "scipy",
    "sklearn",
    "matplotlib",
    "PIL",
    "numpy",
}
MODULES = 700  # of which the standard library's are half; jsonargparse, yaml and rich bring most of the others
TRACE = "import time:"  # of `python -X importtime`, before each module


def run(module: str, *arguments: str, cwd: Path) -> tuple[int, str, list[str], set[str]]:
    """Exit code, stdout, the lines of stderr, and the modules that were loaded, of `python -m rlnet.MODULE ARGUMENTS`."""
    command = [sys.executable, "-X", "importtime", "-m", f"rlnet.{module}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)
    lines = done.stderr.splitlines()
    modules = {line.rpartition("|")[2].strip() for line in lines if line.startswith(TRACE)}
    return done.returncode, done.stdout, [line for line in lines if not line.startswith(TRACE)], modules


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_little(command: str, tmp_path: Path) -> None:
    code, out, lines, modules = run(command, "--help", cwd=tmp_path)
    assert code == 0 and lines == [] and f"usage: python -m rlnet.{command}" in out
    assert modules & HEAVY == set()
    assert len(modules) < MODULES


REFUSALS = {
    "a flag that is not there": ("finetune", ["--relu-bugdet=50k"], "relu"),
    "a budget that is none": ("finetune", ["--relu-budget=50q"], "50q"),
    "part of a ReLU": ("mask_search", ["--relu-budget=0.0001k"], "whole number"),
    "a network that nobody knows": ("teacher", ["--network=resnet19"], "did you mean"),
    "an attack that nobody knows": ("finetune", ["--evaluation.attacks=pgd20"], "did you mean pgd-20"),
    "a corruption that nobody knows": ("finetune", ["--evaluation.corruptions=fogg"], "did you mean fog"),
    "an eps that is none": ("finetune", ["--attack.eps=300"], "eps"),
    "a data set that nobody knows": ("finetune", ["--data.name=cifar11"], "cifar11"),
    "a folder of images that is not there": ("finetune", ["--data.name=folder", "--data.root=nowhere"], "nowhere"),
    "a teacher that is not there": ("finetune", ["--teacher_file=nowhere"], "nowhere"),
    "masks that are not there": ("finetune", ["--search.masks_file=nowhere"], "nowhere"),
    "a YAML file that is not there": ("finetune", ["--config=nowhere.yaml"], "nowhere.yaml"),
    "a checkpoint that is not there": ("evaluate", ["nowhere"], "nowhere is neither"),
    "one that is not there to be calibrated": ("calibrate", ["nowhere"], "nowhere is neither"),
    "one that is not there to be exported": ("export", ["nowhere"], "nowhere is neither"),
    "a folder without cards": ("report", ["."], "neither a finished student"),
    "a limit that is none": ("nas", ["--max-relus=many"], "many"),
    "a space that nobody knows": ("nas", ["--space.name=resnet51"], "resnet51"),
    "a latency without a model": ("nas", ["--max-latency=2s"], "latency-model"),
    "a benchmark of nothing": ("benchmark", ["evaluate", "--path=nowhere"], "nowhere is neither"),
}


@pytest.mark.parametrize(("command", "arguments", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_needs_no_network_is_refused_without_torch(command: str, arguments: list[str], words: str, tmp_path: Path) -> None:
    code, out, lines, modules = run(command, *arguments, cwd=tmp_path)
    assert code == 2 and out == ""
    (line,) = lines
    assert line.startswith("error: ") and words in line
    assert "torch" not in modules
    assert not list(tmp_path.iterdir())
