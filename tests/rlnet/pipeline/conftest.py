"""One tiny experiment for all tests of the pipeline: ResNet-18 of width 4, 100 digits, two epochs of two batches a stage."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import rlnet.stages.student
from rlnet.attacks import AttackConfig
from rlnet.config import Config, EvaluationConfig, SearchConfig
from rlnet.data import DataConfig
from rlnet.finetune import finetune, main
from rlnet.models import NetworkConfig
from rlnet.training.schedule import TrainConfig

TINY = Config(
    relu_budget="36%",
    device="cpu",
    precision="fp32",
    data=DataConfig(train_limit=100, test_limit=40),
    network=NetworkConfig(width=4, stem_stride=2),
    attack=AttackConfig(steps=1),
    teacher=TrainConfig(epochs=2, batch_size=32, lr=0.1),
    search=SearchConfig(epochs=2, batch_size=32, lr=0.02, settle=0.0),
    finetune=TrainConfig(epochs=2, batch_size=32, lr=0.002),
    evaluation=EvaluationConfig(attacks=("pgd-2",), corruptions=()),
)
STAGES = ("teacher", "relu-3133/masks", "relu-3133/student")  # 36% of 8,704 ReLUs


def flags_of(value: Any, prefix: str = "") -> list[str]:
    """The flags that say what a configuration says."""
    flags = []
    for item in dataclasses.fields(value):
        part = getattr(value, item.name)
        if dataclasses.is_dataclass(part):
            flags += flags_of(part, f"{prefix}{item.name}.")
        else:
            text = json.dumps(part) if part is None or isinstance(part, tuple | bool) else str(part)
            flags.append(f"--{prefix}{item.name}={text}")
    return flags


def plain_content(path: Path) -> Any:
    """A file of a run as something that can be compared, without what may differ: times, places, who ran it."""
    if path.suffix == ".pt":
        content = torch.load(path, weights_only=True)
        for metrics in content.get("history", []):
            del metrics["seconds"]
        return tensors_as_lists(content)
    if path.name == "metrics.jsonl":
        return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in path.read_text().splitlines()]
    if path.name == "card.json":
        return {k: v for k, v in json.loads(path.read_text()).items() if k not in ("seconds", "command", "commit")}
    return path.read_bytes()


def tensors_as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tensors_as_lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [tensors_as_lists(item) for item in value]
    return (str(value.dtype), value.tolist()) if isinstance(value, torch.Tensor) else value


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Config]:
    """Makes the tiny configuration in a folder of runs, with changes: tiny(runs, seed=1, teacher={"epochs": 1})."""

    def make(runs: Path, **changes: Any) -> Config:
        parts = {
            name: dataclasses.replace(getattr(TINY, name), **change) if isinstance(change, dict) else change
            for name, change in changes.items()
        }
        return dataclasses.replace(TINY, runs=runs, **parts)

    return make


@pytest.fixture(scope="session")
def flags(tiny: Callable[..., Config]) -> Callable[..., list[str]]:
    """The command line of the tiny configuration in a folder of runs, with changes."""
    return lambda runs, **changes: flags_of(tiny(runs, **changes))


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the ONNX file and the pictures, which take longer than the rest of a tiny run."""
    monkeypatch.setattr(rlnet.stages.student, "export", lambda *arguments: None)
    monkeypatch.setattr(rlnet.stages.student, "draw", lambda folder: None)


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Config]) -> Path:
    """The folder of runs that one tiny run leaves, without ONNX file and pictures. To be copied, not written to."""
    runs = tmp_path_factory.mktemp("uninterrupted") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rlnet.stages.student, "export", lambda *arguments: None)
        patch.setattr(rlnet.stages.student, "draw", lambda folder: None)
        finetune(tiny(runs))
    return runs


@pytest.fixture(scope="session")
def same_run() -> Callable[[Path, Path], None]:
    """Asserts that two folders of runs hold the same tiny run, bit for bit, and nothing half-written."""

    def check(found: Path, wanted: Path) -> None:
        for stage in STAGES:
            files = sorted(path.name for path in (wanted / "digits" / stage).iterdir())
            assert sorted(path.name for path in (found / "digits" / stage).iterdir()) == files
            for name in files:
                here, there = found / "digits" / stage / name, wanted / "digits" / stage / name
                assert plain_content(here) == plain_content(there), f"{stage}/{name}"

    return check


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, tuple[int, bytes]]]:
    """Every file under a folder, with the time of its last change and its bytes."""
    return lambda folder: {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def run_folder(tmp_path: Path, uninterrupted: Path) -> Path:
    """A finished run in tmp_path/runs."""
    shutil.copytree(uninterrupted, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.fixture
def refuse(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    snapshot: Callable[[Path], dict],
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., None]:
    """Asserts that the tiny command with these flags more is refused in these words, and that tmp_path/runs stays as it is."""
    runs = tmp_path / "runs"

    def check(more: list[str], *words: str, **changes: Any) -> None:
        before = snapshot(runs) if runs.exists() else None
        capsys.readouterr()
        assert main([*flags(runs, **changes), *more]) == 2
        printed = capsys.readouterr()
        *said, line = printed.err.splitlines()
        assert len(said) <= 1  # what the command was about to do, where only torch could tell that it cannot
        assert line.startswith("error: ") and printed.out == ""
        for word in words:
            assert word in line
        assert (snapshot(runs) if runs.exists() else None) == before

    return check
