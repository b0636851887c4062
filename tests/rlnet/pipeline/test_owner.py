"""Two processes on one folder: the second is refused and told who has it, and takes over from a dead one."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rlnet import calibrate, evaluate
from rlnet.finetune import main
from rlnet.training.ownership import FILE, owning

STUDENT = "digits/relu-3133/student"
QUICK = ["--attacks=pgd-1", "--corruptions=none", "--curve=none", "--device=cpu"]


WAITING = """
import signal, sys
from rlnet.finetune import main
from rlnet.stages.teacher import TeacherObjective
terms = TeacherObjective.terms
def waiting(objective, batch, epoch, step):
    if epoch == 1:
        print("waiting", flush=True)
        signal.pause()
    return terms(objective, batch, epoch, step)
TeacherObjective.terms = waiting
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.usefixtures("no_pictures")
def test_a_second_run_is_refused_and_takes_over_from_a_killed_one(
    tmp_path: Path, flags: Callable[..., list[str]], start: Callable[..., subprocess.Popen], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = flags(tmp_path)
    first = start("-c", WAITING, *arguments)
    assert first.stdout.readline() == "waiting\n"
    assert (tmp_path / "digits/teacher/last.pt").exists()
    assert (tmp_path / STUDENT / FILE).exists()  # all that it will write to is its own from the start
    assert main(arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"belongs to process {first.pid} on " in line and "rlnet.finetune" in line
    os.kill(first.pid, 9)
    first.communicate()
    assert (tmp_path / STUDENT / FILE).exists()
    assert main(arguments) == 0
    assert not list(tmp_path.rglob(FILE))


def test_another_budget_waits_for_the_teacher_that_both_need(
    tmp_path: Path, flags: Callable[..., list[str]], snapshot: Callable[[Path], dict], capsys: pytest.CaptureFixture[str]
) -> None:
    with owning(tmp_path / "digits/teacher"):
        before = snapshot(tmp_path)
        assert main(flags(tmp_path, relu_budget="20%")) == 2
        assert f"{tmp_path / 'digits/teacher'} belongs to" in capsys.readouterr().err.splitlines()[-1]
        assert {name for name in snapshot(tmp_path)} == set(before)


@pytest.mark.usefixtures("no_pictures")
def test_students_of_one_finished_teacher_do_not_wait_for_each_other(run_folder: Path, flags: Callable[..., list[str]]) -> None:
    with owning(run_folder / STUDENT):
        assert main(flags(run_folder, relu_budget="20%")) == 0


def test_a_finished_run_is_shown_while_another_process_has_its_folder(
    run_folder: Path, flags: Callable[..., list[str]]
) -> None:
    with owning(run_folder / STUDENT):
        assert main(flags(run_folder)) == 0


@pytest.mark.parametrize(
    ("tool", "folder", "more"),
    [(evaluate.main, f"{STUDENT}/evaluation", QUICK), (calibrate.main, STUDENT, ["--device=cpu"])],
    ids=["evaluate", "calibrate"],
)
def test_what_writes_beside_a_checkpoint_is_an_owner_too(
    run_folder: Path, capsys: pytest.CaptureFixture[str], tool: Callable, folder: str, more: list[str]
) -> None:
    with owning(run_folder / folder):
        assert tool([str(run_folder / STUDENT), *more]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"{run_folder / folder} belongs to process {os.getpid()}" in line and "--output" in line
    assert tool([str(run_folder / STUDENT), *more]) == 0
    assert not (run_folder / folder / FILE).exists()
