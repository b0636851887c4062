"""Training that diverges ends in one line that names the step, and keeps the last good checkpoint, from which it goes on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import rlnet.training.loop
from rlnet.finetune import main
from rlnet.stages.teacher import TeacherObjective
from rlnet.training.distillation import StudentObjective

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_a_learning_rate_that_diverges(
    tmp_path: Path, flags: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags(tmp_path, teacher={"lr": 1e30})) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert (
        line.startswith("error: the loss term ce_") and " in step 2 of epoch 1; nothing of this epoch was kept. Lower" in line
    )
    assert not list(tmp_path.rglob("*.pt"))


def test_weights_that_diverge_in_the_last_step(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All losses of the epoch are finite, the weights after it are not: they are not kept either."""
    terms = TeacherObjective.terms

    def with_gradient_nan(self: TeacherObjective, batch: Any, epoch: int, step: int) -> dict[str, torch.Tensor]:
        found, weight = terms(self, batch, epoch, step), self.network.fc.weight
        return found | {"ce_clean": found["ce_clean"] + (weight - weight.detach()).abs().sum().sqrt()} if step == 1 else found

    monkeypatch.setattr(TeacherObjective, "terms", with_gradient_nan)
    assert main(flags(tmp_path)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(
        "error: fc.weight stopped being finite in step 2 of epoch 1, no loss term did; nothing of this epoch"
    )
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize(("objective", "stage"), [(TeacherObjective, "teacher"), (StudentObjective, "relu-3133/student")])
def test_nan_in_the_loss_keeps_the_last_good_checkpoint(
    run_folder: Path,
    uninterrupted: Path,
    flags: Callable[..., list[str]],
    same_run: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    objective: type,
    stage: str,
) -> None:
    """A NaN in the second epoch leaves the first, from where the same command goes on."""
    shutil.rmtree(run_folder / "digits" / stage)
    terms = objective.terms

    def spoiled(self: Any, batch: Any, epoch: int, step: int) -> dict[str, torch.Tensor]:
        found = terms(self, batch, epoch, step)
        return found | {"ce_augmented": found["ce_augmented"] * float("nan")} if (epoch, step) == (1, 1) else found

    with monkeypatch.context() as patch:
        patch.setattr(objective, "terms", spoiled)
        assert main(flags(run_folder)) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "the loss term ce_augmented became nan in step 2 of epoch 2; nothing of this epoch was kept. Lower the" in line
    last = torch.load(run_folder / "digits" / stage / "last.pt", weights_only=True)
    assert len(last["history"]) == 1
    assert all(value.isfinite().all() for value in last["network"].values())
    (metrics,) = (run_folder / "digits" / stage / "metrics.jsonl").read_text().splitlines()
    assert json.loads(metrics)["epoch"] == 1
    assert main(flags(run_folder)) == 0
    same_run(run_folder, uninterrupted)


def test_a_nan_is_found_wherever_it_is_in_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The losses are looked at every so many steps; the step that is named is the first bad one."""
    log = torch.ones(100, 2)
    log[30, 1] = log[40, 0] = float("inf")
    with pytest.raises(FloatingPointError, match="the loss term kl became inf in step 31 of epoch 8"):
        rlnet.training.loop._check_finite(log, ["ce", "kl"], epoch=7)
