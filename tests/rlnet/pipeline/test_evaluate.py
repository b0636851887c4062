"""`python -m rlnet.evaluate` on a finished student."""

import json
from pathlib import Path

import pytest

from rlnet.evaluate import main

pytestmark = pytest.mark.timeout(120)
ARGUMENTS = ["--data.test_limit=60", "--evaluation.corruptions=false", "--evaluation.attacks=[pgd-2]"]


def test_prints_what_the_card_says(uninterrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same network, images, attack and seed as the run's own evaluation."""
    folder = uninterrupted / "digits" / "relu-12534" / "student"
    accuracy = json.loads((folder / "card.json").read_text())["accuracy"]
    assert main([str(folder), "--device=cpu", *ARGUMENTS]) == 0
    printed = capsys.readouterr().out
    assert f"{accuracy['clean']:.1%}" in printed
    assert f"{accuracy['adversarial']['pgd-2']:.1%}" in printed


def test_refuses_what_is_no_data_set_and_no_network(
    uninterrupted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on stderr and exit code 2."""
    folder = uninterrupted / "digits" / "teacher"
    assert main([str(folder), "--data.name=folder", f"--data.root={tmp_path}"]) == 2
    assert "at least two" in capsys.readouterr().err
    assert main([str(tmp_path), *ARGUMENTS]) == 2
    assert "neither a checkpoint nor the folder" in capsys.readouterr().err
