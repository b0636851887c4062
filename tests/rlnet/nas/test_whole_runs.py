"""Whole searches as commands: two ranks hold the same, and after kill -9 the same command ends as if nothing had been."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rlnet.nas.__main__ import main

from ..forked import Forked
from .searches import results

FAMILIES = {
    "proard": ("--max-relus=100k", "--evolution.population=2", "--evolution.generations=1"),
    "robnet": ("--max-relus=100k", "--space.cells=3", "--evolution.population=2", "--evolution.generations=1"),
    "rnas-cl": ("--max-relus=100k", "--space.name=s5", "--tutor.network.width=2"),
}


def flags(family: str, runs: Path) -> list[str]:
    """A search of one epoch a stage on 80 digits."""
    data = ("--data.train_limit=80", "--data.validation=0.2", "--evolution.calibration_images=16", "--attack.steps=1")
    stages = ("largest", "supernet", *(f"tutor.{stage}" for stage in ("teaching", "search", "training", "finetuning")))
    short = [f"--{stage}.{name}" for stage in stages for name in ("epochs=1", "batch_size=64")]
    short += ["--tutor.search.batch_size=32"]  # a search alternates between two steps
    common = ("--device=cpu", "--precision=fp32", "--largest.warmup_epochs=0", "--supernet.sampling=random")
    return [f"--family={family}", f"--runs={runs}", *data, *common, *short, *FAMILIES[family]]


@pytest.mark.parametrize("family", FAMILIES)
def test_on_two_ranks(family: str, tmp_path: Path, two_ranks: Callable[..., str]) -> None:
    assert two_ranks("nas", *flags(family, tmp_path)).count("spec.json: ") == 1  # one rank speaks
    assert (tmp_path / "digits" / f"nas-{family}-100k" / "card.json").exists()


DEADLY = """
import os, sys
from rlnet.nas.__main__ import main
from rlnet.progress import Bar
note = Bar.note
def last_note(bar, text):
    note(bar, text)
    if text.startswith("epoch "):
        os.kill(os.getpid(), 9)
Bar.note = last_note
sys.exit(main(sys.argv[1:]))
"""


def test_kill_dash_nine(tmp_path: Path, fork: Callable[..., Forked]) -> None:
    """Of RNAS-CL, whose stages are most: after each line of progress, until there is none."""
    folder = Path("digits", "nas-rnas-cl-100k")
    assert main(flags("rnas-cl", tmp_path / "undisturbed")) == 0
    for stage in ("teacher", "search", "training", "finetuning"):
        process = fork("-c", DEADLY, *flags("rnas-cl", tmp_path / "killed"))
        _, printed = process.communicate()
        assert process.returncode == -9 and printed.splitlines()[-1].startswith(f"{stage}: epoch 1/1, "), printed
    assert not (tmp_path / "killed" / folder / "card.json").exists()
    process = fork("-c", DEADLY, *flags("rnas-cl", tmp_path / "killed"))
    _, printed = process.communicate()
    assert process.returncode == 0, printed
    assert results(tmp_path / "killed" / folder) == results(tmp_path / "undisturbed" / folder)
