"""Untrained networks with a budget, as ONNX: the budget is exact, and where ReLUs are kept is the published vector's choice."""

from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from rlnet.untrained import main


def kept(path: Path) -> list[int]:
    """The ReLUs that each mask of the file keeps, in order; they are constants of type bool."""
    model = onnx.load(path)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    return [int(constants[node.input[0]].sum()) for node in model.graph.node if node.op_type == "Where"]


def write(path: Path, *flags: str) -> list[int]:
    assert main([f"--output={path}", "--network.width=4", *flags]) == 0
    return kept(path)


def test_budgets_are_exact(tmp_path: Path) -> None:
    counts = write(tmp_path / "a.onnx", "--relu-budget=1003")
    assert sum(counts) == 1003 and len(counts) == 17
    assert max(counts) / 4096 == pytest.approx(1003 / 34816, abs=1e-3)  # every site keeps the same part


def test_a_published_vector(tmp_path: Path) -> None:
    """resnet18-150k keeps the last sites whole and 2% of the stem."""
    counts = write(tmp_path / "a.onnx", "--relu-budget=9375", "--sensitivity=resnet18-150k")
    assert sum(counts) == 9375
    assert counts[-4:] == [512] * 4 and counts[0] == pytest.approx(0.02 * 4096, rel=0.05)


def test_a_wrong_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--output={tmp_path / 'a.onnx'}", "--sensitivity=nobody"]) == 2
    assert "nobody" in capsys.readouterr().err and not list(tmp_path.iterdir())
