"""Two processes, as torchrun starts them, on gloo: they finish, agree with each other, and do what one process does."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from masks import load_masks
from rlnet.config import Config
from rlnet.finetune import finetune


def test_gradients_and_statistics_are_those_of_the_joint_batch(
    tmp_path: Path, flags: Callable[..., list[str]], two_ranks: Callable[..., str]
) -> None:
    """And a batch that two ranks cannot share is refused by both, before anything is written."""
    printed = two_ranks("gradients", *flags(tmp_path / "runs", teacher={"batch_size": 16}))
    assert printed.count("error: batch_size is 63: use a multiple of the 2 processes") == 2
    assert not (tmp_path / "runs").exists()


def test_the_main_job_on_two_ranks(
    tmp_path: Path,
    tiny: Callable[..., Config],
    flags: Callable[..., list[str]],
    two_ranks: Callable[..., str],
    no_pictures: None,
) -> None:
    """Both ranks hold the same after every epoch; the run has one process's files and about its numbers; one rank speaks."""
    short = {name: {"epochs": 1, "batch_size": 64} for name in ("teacher", "search", "finetune")}
    printed = two_ranks("finetune", *flags(tmp_path / "together", **short))
    assert printed.count("partial-ReLU student") == printed.count("teacher: epoch 1/1") == 1
    finetune(tiny(tmp_path / "alone", **short))
    alone, together = tmp_path / "alone/digits", tmp_path / "together/digits"
    files = {path.relative_to(alone).as_posix() for path in alone.rglob("*") if path.is_file()}
    made = {"relu-3133/student/pictures"}
    assert {path.relative_to(together).as_posix() for path in together.rglob("*") if path.is_file()} == files | made
    card = json.loads((together / "relu-3133/student/card.json").read_text())
    assert card["relu"]["kept"] == card["relu"]["budget"] == 3_133
    for stage, tolerance in (("teacher", 0.01), ("relu-3133/masks", 0.1), ("relu-3133/student", 0.25)):
        wanted, found = (json.loads((folder / stage / "metrics.jsonl").read_text())["loss"] for folder in (alone, together))
        assert found == pytest.approx(wanted, rel=tolerance)
    masks = [load_masks(folder / "relu-3133/masks/masks.json") for folder in (alone, together)]
    kept = [torch.cat([mask.flatten() for mask in found.values()]) for found in masks]
    assert (kept[0] & kept[1]).sum() > 0.6 * 3_133  # by chance: 0.36 to 0.5, as some sites are nearly full
