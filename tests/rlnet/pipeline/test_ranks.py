"""Two processes under torchrun, on gloo: they finish, agree with each other, and do what one process does."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from masks import load_masks
from rlnet.config import Config
from rlnet.finetune import finetune

pytestmark = pytest.mark.timeout(300)

SCRIPT = str(Path(__file__).parents[1] / "two_ranks.py")


def test_gradients_and_statistics_are_those_of_the_joint_batch(
    tmp_path: Path, flags: Callable[..., list[str]], torchrun: Callable[..., tuple[int, str, str]]
) -> None:
    """And a batch that two ranks cannot share is refused by both, before anything is written."""
    code, _, err = torchrun(SCRIPT, "gradients", *flags(tmp_path / "runs", teacher={"batch_size": 16}))
    assert code == 0, err
    assert err.count("error: batch_size is 63: use a multiple of the 2 processes") == 2
    assert not (tmp_path / "runs").exists()


def test_the_main_job_on_two_ranks(
    tmp_path: Path,
    tiny: Callable[..., Config],
    flags: Callable[..., list[str]],
    torchrun: Callable[..., tuple[int, str, str]],
    no_pictures: None,
) -> None:
    """Both ranks hold the same after every epoch; the run has one process's files and about its numbers; one rank speaks."""
    short = {name: {"epochs": 1, "batch_size": 128} for name in ("teacher", "search", "finetune")}
    code, out, err = torchrun(SCRIPT, "finetune", *flags(tmp_path / "together", **short))
    assert code == 0, err
    assert out.count("partial-ReLU student") == 1
    assert err.count("teacher: epoch 1/1") == 1
    finetune(tiny(tmp_path / "alone", **short))
    alone, together = tmp_path / "alone/digits", tmp_path / "together/digits"
    files = {path.relative_to(alone).as_posix() for path in alone.rglob("*") if path.is_file()}
    made = {f"relu-12534/student/{name}" for name in ("student.onnx", "losses.png", "relus.png", "masks.png", "batch_norm.png")}
    assert {path.relative_to(together).as_posix() for path in together.rglob("*") if path.is_file()} == files | made
    card = json.loads((together / "relu-12534/student/card.json").read_text())
    assert card["relu"]["kept"] == card["relu"]["budget"] == 12_534
    for stage, tolerance in (("teacher", 0.01), ("relu-12534/masks", 0.1), ("relu-12534/student", 0.25)):
        wanted, found = (json.loads((folder / stage / "metrics.jsonl").read_text())["loss"] for folder in (alone, together))
        assert found == pytest.approx(wanted, rel=tolerance)
    masks = [load_masks(folder / "relu-12534/masks/masks.json") for folder in (alone, together)]
    kept = [torch.cat([mask.flatten() for mask in found.values()]) for found in masks]
    assert (kept[0] & kept[1]).sum() > 0.6 * 12_534  # by chance: 0.36 to 0.5, as some sites are nearly full
