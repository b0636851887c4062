"""A run that is stopped at any moment and started again is, bit for bit, the run that was never stopped."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

import masks.atomic_file
import rlnet.stages.student
import rlnet.stages.teacher
import rlnet.training.loop
from rlnet.config import Config
from rlnet.evaluation import work
from rlnet.finetune import finetune, main
from rlnet.stages.teacher import TeacherObjective
from rlnet.training.distillation import StudentObjective
from rlnet.training.ownership import FILE

from ..forked import Forked

pytestmark = pytest.mark.usefixtures("no_pictures")


def assert_nothing_is_half_written(runs: Path) -> None:
    """Every file that is there is whole, and is one of those that a run leaves."""
    for path in runs.rglob("*"):
        if path.suffix == ".pt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            assert all(json.loads(line) for line in path.read_text().splitlines())
        elif path.suffix == ".yaml":
            assert yaml.safe_load(path.read_text())
        else:
            assert path.is_dir(), path


def run_to_the_end(arguments: list[str], runs: Path, code: int) -> int:
    """Gives the same command until it is through; returns how often it was stopped before, each time with this exit code."""
    times = 0
    while (found := main(arguments)) != 0:
        assert found == code
        assert_nothing_is_half_written(runs)
        times += 1
        assert times < 100
    return times


def test_interrupted_in_every_step(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    uninterrupted: Path,
    same_run: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C once in each of 3 stages x 2 epochs x 2 steps."""
    stopped = set()

    def stop_once(terms: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(objective: Any, batch: Any, epoch: int, step: int) -> Any:
            found = terms(objective, batch, epoch, step)
            place = type(objective).__name__, epoch, step
            if place not in stopped:
                stopped.add(place)
                raise KeyboardInterrupt
            return found

        return wrapped

    for objective in (TeacherObjective, StudentObjective):
        monkeypatch.setattr(objective, "terms", stop_once(objective.terms))
    assert run_to_the_end(flags(tmp_path), tmp_path, 130) == len(stopped) == 12
    assert capsys.readouterr().err.count("interrupted; the same command continues where this one stopped") == 12
    same_run(tmp_path, uninterrupted)


def test_the_disk_is_full_at_every_write(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    uninterrupted: Path,
    same_run: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each version of each file cannot be put into its place once, also those between best.pt and last.pt."""
    shutil.copytree(uninterrupted / "digits/teacher", tmp_path / "digits/teacher")
    for module in (rlnet.training.loop, rlnet.stages.teacher, rlnet.stages.student):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=float))  # makes the same version the same bytes
    failed = set()
    replace = os.replace

    def fail_once(source: Path, target: Path) -> None:
        version = target, source.read_bytes()
        if version not in failed:
            failed.add(version)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        replace(source, target)

    monkeypatch.setattr(masks.atomic_file.os, "replace", fail_once)
    assert run_to_the_end(flags(tmp_path), tmp_path, 2) == len(failed)
    assert {path.relative_to(tmp_path) for path, _ in failed} == {
        path.relative_to(tmp_path) for path in (tmp_path / "digits/relu-3133").rglob("*") if path.is_file()
    }
    assert capsys.readouterr().err.count("No space left on device; nothing was lost") == len(failed)
    same_run(tmp_path, uninterrupted)


def test_the_disk_is_full_within_a_file(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    uninterrupted: Path,
    same_run: Callable[[Path, Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The kernel refuses the bytes of a checkpoint past the first 20,000, or 100,000 (torch.save meets them differently)."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (20_000, 100_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            assert main(flags(tmp_path)) == 2
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "File too large; nothing was lost: put that right and run the same command again" in capsys.readouterr().err
        assert sorted(path.name for path in (tmp_path / "digits/teacher").iterdir()) == [
            "config.yaml",
            "images.json",
            "metrics.jsonl",
        ]
    assert main(flags(tmp_path)) == 0
    same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize("stage", ["teacher", "student"])
def test_interrupted_while_evaluating(
    tmp_path: Path,
    tiny: Callable[..., Config],
    uninterrupted: Path,
    same_run: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    """What is trained is not trained again, and what is measured is not measured again."""
    shutil.copytree(uninterrupted, tmp_path, dirs_exist_ok=True)
    cards = list(tmp_path.rglob(f"{stage}/card.json"))
    for card in cards:
        card.unlink()
    measured = []
    measure = work._outcome

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    def once(piece: work.Piece, *arguments: Any) -> Any:
        if measured:
            raise KeyboardInterrupt
        measured.append(piece.part.name)
        return measure(piece, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(work, "_outcome", once)
        with pytest.raises(KeyboardInterrupt):
            finetune(tiny(tmp_path))
    assert cards and not any(card.exists() for card in cards)
    assert_nothing_is_half_written(tmp_path)
    monkeypatch.setattr(rlnet.training.loop, "_train_epoch", interrupt)
    monkeypatch.setattr(work, "_outcome", lambda piece, *rest: measured.append(piece.part.name) or measure(piece, *rest))
    finetune(tiny(tmp_path))
    assert measured == ["clean", "adversarial under pgd-2 at 8/255"]
    same_run(tmp_path, uninterrupted)


def test_interrupted_while_exporting(
    tmp_path: Path,
    tiny: Callable[..., Config],
    uninterrupted: Path,
    same_run: Callable[[Path, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A student has no card before its ONNX file and pictures are there."""
    shutil.copytree(uninterrupted, tmp_path, dirs_exist_ok=True)
    card = tmp_path / "digits/relu-3133/student/card.json"
    card.unlink()
    exported = []

    def interrupt(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rlnet.stages.student, "export", lambda *arguments: exported.append(card.exists()))
    with monkeypatch.context() as patch:
        patch.setattr(rlnet.stages.student, "draw", interrupt)
        with pytest.raises(KeyboardInterrupt):
            finetune(tiny(tmp_path))
    assert not card.exists()
    finetune(tiny(tmp_path))
    assert exported == [False, False]
    same_run(tmp_path, uninterrupted)


STRUCK = """
import os, sys
from rlnet.finetune import main
from rlnet.stages.teacher import TeacherObjective
terms = TeacherObjective.terms
def struck(objective, batch, epoch, step):
    if (epoch, step) == (1, 1):
        os.killpg(0, int(sys.argv[1]))
    return terms(objective, batch, epoch, step)
TeacherObjective.terms = struck
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(("number", "code", "workers"), [(signal.SIGKILL, -9, 0), (signal.SIGINT, 130, 1)])
def test_a_real_signal_within_an_epoch(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    uninterrupted: Path,
    same_run: Callable[[Path, Path], None],
    fork: Callable[..., Forked],
    number: signal.Signals,
    code: int,
    workers: int,
) -> None:
    """kill -9, and Ctrl-C to a process and its worker processes, within the second epoch."""
    process = fork("-c", STRUCK, str(number.value), *flags(tmp_path, workers=workers))
    _, printed = process.communicate()
    assert process.returncode == code, printed
    assert printed.count("teacher: epoch ") == printed.count("teacher: epoch 1/2, ") == 1
    if number == signal.SIGINT:
        assert printed.splitlines()[-1] == "interrupted; the same command continues where this one stopped"
        assert "Traceback" not in printed
        assert_nothing_is_half_written(tmp_path)
        assert not (tmp_path / "digits/relu-3133").exists()
    assert not [path for path in (tmp_path / "digits/relu-3133").rglob("*") if path.is_file() and path.name != FILE]
    assert main(flags(tmp_path)) == 0
    same_run(tmp_path, uninterrupted)


def test_what_a_killed_writer_left_is_removed(
    tmp_path: Path,
    flags: Callable[..., list[str]],
    uninterrupted: Path,
    same_run: Callable[[Path, Path], None],
    start: Callable[..., subprocess.Popen],
) -> None:
    """kill -9 within a write leaves the old version; the next start that writes there removes half a file, whosever it was."""
    shutil.copytree(uninterrupted, tmp_path, dirs_exist_ok=True)
    best = tmp_path / "digits/relu-3133/masks/best.pt"
    writer = (
        "import os, pathlib, runpy, sys\n"
        "def write(file): file.write(b'half'); file.flush(); os.kill(os.getpid(), 9)\n"
        "runpy.run_path(sys.argv[1])['write_atomically'](pathlib.Path(sys.argv[2]), write)"
    )
    with start("-c", writer, masks.atomic_file.__file__, str(best)) as killed:
        killed.communicate()
    stale = best.with_name(f".best.pt.{killed.pid}.part")
    assert stale.read_bytes() == b"half"
    others = [best.with_name(f".last.pt.{number}.part") for number in (os.getpid(), os.getppid())]  # of other hosts
    for file in others:
        file.write_bytes(b"half")
    assert main(flags(tmp_path)) == 0
    assert stale.exists()  # a finished stage is left as it is, for another process may own it again
    (best.parent / "card.json").unlink()
    assert main(flags(tmp_path)) == 0
    assert not any(file.exists() for file in (stale, *others))
    same_run(tmp_path, uninterrupted)
