"""Whole searches as commands: two ranks hold the same, and after kill -9 the same command ends as if nothing had been."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rlnet.nas.__main__ import main

from .searches import results

pytestmark = pytest.mark.timeout(600)  # most of it starts processes

SCRIPT = str(Path(__file__).parents[1] / "two_ranks.py")
FAMILIES = {
    "proard": ("--max-relus=100k", "--evolution.population=2", "--evolution.generations=1"),
    "robnet": ("--max-relus=100k", "--space.cells=3", "--evolution.population=2", "--evolution.generations=1"),
    "rnas-cl": ("--max-relus=100k", "--space.name=s5", "--tutor.network.width=2"),
}


def flags(family: str, runs: Path) -> list[str]:
    """A search of one epoch a stage on 80 digits."""
    data = ("--data.train_limit=80", "--data.validation=0.2", "--evolution.calibration_images=32", "--attack.steps=1")
    stages = ("largest", "supernet", *(f"tutor.{stage}" for stage in ("teaching", "search", "training", "finetuning")))
    short = [f"--{stage}.{name}" for stage in stages for name in ("epochs=1", "batch_size=32")]
    common = ("--device=cpu", "--precision=fp32", "--largest.warmup_epochs=0", "--supernet.sampling=random")
    return [f"--family={family}", f"--runs={runs}", *data, *common, *short, *FAMILIES[family]]


@pytest.mark.parametrize("family", FAMILIES)
def test_on_two_ranks(family: str, tmp_path: Path, torchrun: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = torchrun(SCRIPT, "nas", *flags(family, tmp_path))
    assert code == 0, err
    assert (out + err).count("spec.json: ") == 1  # one rank speaks
    assert (tmp_path / "digits" / f"nas-{family}-100k" / "card.json").exists()


def test_kill_dash_nine(tmp_path: Path, start: Callable[..., subprocess.Popen]) -> None:
    """Of RNAS-CL, whose stages are most: after each line of progress, until there is none."""
    folder = Path("digits", "nas-rnas-cl-100k")
    assert main(flags("rnas-cl", tmp_path / "undisturbed")) == 0
    kills = 0
    while True:
        process = start("-m", "rlnet.nas", *flags("rnas-cl", tmp_path / "killed"))
        line = process.stderr.readline()
        if (tmp_path / "killed" / folder / "card.json").exists():
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -9, line
        kills += 1
    assert process.wait(timeout=60) == 0
    assert kills == 4  # after the teacher's epoch, the search's, the training's and the fine-tuning's
    assert results(tmp_path / "killed" / folder) == results(tmp_path / "undisturbed" / folder)
