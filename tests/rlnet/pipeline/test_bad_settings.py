"""Settings that cannot be, by flag, YAML file or path: each is named in one line with its remedy, and nothing is written."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import rlnet.evaluate
import rlnet.export
import rlnet.report

from .refusals import STUDENT, Refuse

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--relu-budget=8705", "8705 is above the 8704 ReLUs that the network has; give at most 8704"),
        ("--relu-budget=50k", "50k is above the 8704 ReLUs"),
        ("--relu-budget=101%", "101% is above the 8704 ReLUs"),
        ("--relu-budget=-5", "'-5' is no ReLU budget; write one as 50000, 50k, 0.05m or 36%, not negative"),
        ("--relu-budget=-5k", "'-5k' is no ReLU budget; write one as"),
        ("--relu-budget=0.0005k", "0.0005k is not a whole number of ReLUs"),
        ("--relu-budget=nan", "'nan' is no ReLU budget; write one as"),
        ("--relu-budget=inf", "'inf' is no ReLU budget; write one as"),
        ("--relu-budget=many", "'many' is no ReLU budget; write one as"),
        ("--relu-bugdet=5k", "unrecognized arguments: --relu_bugdet=5k; --help lists every flag"),
        ("--teacher.epoch=3", "unrecognized arguments: --teacher.epoch=3; --help lists every flag"),
        ("surprise", "unrecognized arguments: surprise; --help lists every flag"),
        ("--teacher.epochs=many", "\"teacher.epochs\": Expected a <class 'int'>. Got value: many"),
        ("--teacher.epochs=1.5", "\"teacher.epochs\": Expected a <class 'int'>. Got value: 1.5"),
        ("--tensorboard=5", "\"tensorboard\": Expected a <class 'bool'>. Got value: 5"),
        ("--network.name=vgg", "there is no network 'vgg'; known: resnet18, resnet34, wrn22-8, "),
        ("--network=resnet81", "there is no network 'resnet81', did you mean resnet18?"),
        ("--network=/nowhere/spec.json", "/nowhere/spec.json: No such file or directory"),
        ("--teacher.epochs=0", "epochs is 0; a stage needs at least 1"),
        ("--search.epochs=0", "epochs is 0; a stage needs at least 1"),
        ("--finetune.epochs=-1", "epochs is -1; a stage needs at least 1"),
        ("--teacher.batch_size=0", "batch_size is 0; a stage needs at least 1"),
        ("--teacher.lr=0", "lr is 0.0; a learning rate is above 0"),
        ("--teacher.lr=nan", "\"teacher.lr\": Expected a <class 'float'>. Got value: nan"),
        ("--search.momentum=1", "momentum is 1.0; it is at least 0 and below 1"),
        ("--finetune.weight_decay=-1", "weight_decay is -1.0; it is at least 0"),
        ("--finetune.warmup_epochs=-1", "warmup_epochs is -1.0; it is at least 0"),
        ("--network.width=0", "network.width is a number of channels, at least 1, not 0"),
        ("--workers=-2", "workers is -2; give a number of processes, or -1"),
        ("--seed=-1", "seed is -1: use a whole number from 0"),
        (
            "--views=[augmented,adversarial]",
            "views are clean and, once each, augmented and adversarial; not augmented, adversarial",
        ),
        ("--views=[clean,clean]", "not clean, clean"),
        ("--views=[clean,blurred]", "Expected a typing.Literal['clean', 'augmented', 'adversarial']. Got value: blurred"),
        ("--attack.eps=256/255", "eps is a distance in [0, 1] pixels, for instance 8/255; not 256/255"),
        ("--attack.eps=-1/255", "eps is a distance in [0, 1] pixels, for instance 8/255; not -1/255"),
        ("--attack.eps=wide", "'wide' is not a distance in [0, 1] pixels; write it like 8/255 or 0.03"),
        ("--attack.steps=0", "an attack needs a positive step_size and steps >= 1; not 2/255 and 0"),
        ("--evaluation.attacks=pdg-20", "there is no attack 'pdg-20', did you mean pgd-20?"),
        ("--evaluation.attacks=[pgd-2,pgd-0]", "there is no attack 'pgd-0'"),
        ("--evaluation.attacks=fgsm,fgsm", "fgsm,fgsm names something twice; name each once"),
        ("--evaluation.corruptions=fogg", "there is no corruption 'fogg', did you mean fog?"),
        ("--evaluation.attack_limit=0", "attack_limit is 0; give at least 1 image"),
        ("--evaluation.corruption_limit=-1", "corruption_limit is -1; give at least 1 image"),
        ("--search.sensitivity=resnet81-25k", "no preset is called 'resnet81-25k'; there are resnet18-25k, resnet18-50k"),
        ("--search.sensitivity=resnet34-25k", "'resnet34-25k' is for a network of 33 ReLU sites, this one has 17"),
        ("--search.density=0", "search.density is 0.0; it is a fraction of the weights"),
        ("--objective.name=mart", "Expected a typing.Literal['rlnet', 'at', 'trades', 'fast-at', 'free']. Got value: mart"),
        ("--objective.beta=-1", "objective.beta is -1.0; it is a weight, at least 0 and finite"),
        ("--objective.replays=0", "objective.replays is 0; free training takes at least 1 step for each batch"),
        ("--distillation.temperature=0", "distillation.temperature and attack_temperature are above 0"),
        ("--augmix.severity=-1", "AugMix severity is -1.0: use a number from 0.1 to 10"),
        ("--data.name=mnist", "data set 'mnist' is unknown: use one of digits, cifar10"),
        ("--data.validation=0", "validation is 0.0: use a fraction between 0 and 1"),
        ("--data.train_limit=5", "train_limit is 5: use 10 (one image a class) to 1437 (all there are)"),
        ("--config=/nowhere/ours.yaml", "File does not exist: '/nowhere/ours.yaml'"),
        ("--teacher_file=/nowhere/best.pt", "/nowhere/best.pt is neither a checkpoint nor the folder of a finished stage"),
        ("--search.masks_file=/nowhere/masks.json", "there is no file /nowhere/masks.json"),
    ],
)
def test_flags(refuse: Refuse, more: str, words: str) -> None:
    refuse([more], words)


def test_robust_training_without_the_adversarial_view(refuse: Refuse) -> None:
    refuse(["--objective.name=at", "--views=[clean]"], "objective at trains on the adversarial view; add it to views")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"relu_bugdet: 5k\n", "'relu_bugdet' is not accepted; --help lists every flag, and a YAML file has the same keys"),
        (b"teacher: {epoch: 3}\n", "'teacher' does not accept option 'epoch'"),
        (b"teacher: {epochs: many}\n", "ours.yaml: Parser key \"teacher.epochs\": Expected a <class 'int'>. Got value: many"),
        (b"relu_budget: 99999999\n", "99999999 is above the 8704 ReLUs"),
        (b"- 1\n- 2\n", "ours.yaml: Unexpected config: - 1 - 2"),
        (b"once upon a time\n", "ours.yaml: Unexpected config: once upon a time"),
        (b"teacher: [1, 2\nsearch: }\n", "ours.yaml: Problems parsing config: "),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "ours.yaml is not text, so no YAML"),
        (bytes(range(256)), "ours.yaml is not text, so no YAML"),
        (b"!!python/object/apply:os.mkdir ['runs']\n", "ours.yaml"),
    ],
)
def test_yaml(refuse: Refuse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, words: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ours.yaml").write_bytes(content)
    refuse(["--config=ours.yaml"], words)
    refuse([f"--config={tmp_path / 'ours.yaml'}"], words.removeprefix("ours.yaml"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(refuse: Refuse) -> None:
    refuse(["--device=cuda"], "device cuda: this machine or this build of torch has no usable GPU; use --device cpu")


def test_a_folder_of_runs_that_cannot_be(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    refuse([f"--runs={tmp_path / 'file' / 'runs'}"], f"{tmp_path / 'file'}", "Not a directory; nothing was lost")
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_write_permission(refuse: Refuse, tmp_path: Path) -> None:
    (tmp_path / "read-only").mkdir(mode=0o500)
    refuse([f"--runs={tmp_path / 'read-only'}"], str(tmp_path / "read-only"), "Permission denied; nothing was lost")
    assert not list((tmp_path / "read-only").iterdir())


@pytest.mark.parametrize("command", [rlnet.evaluate.main, rlnet.export.main, rlnet.report.main])
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", "nowhere is neither a"),
        ("digits", "digits is neither a"),
        (STUDENT, f"{STUDENT}/"),
    ],
)
def test_other_commands(
    run_folder: Path,
    snapshot: Callable[[Path], dict],
    capsys: pytest.CaptureFixture[str],
    command: Callable[[list[str]], int],
    path: str,
    words: str,
) -> None:
    """A folder that is not there, the folder of an experiment, and a student's folder with a damaged checkpoint and card."""
    for name in ("best.pt", "card.json"):
        (run_folder / STUDENT / name).write_bytes(b"{")
    before = snapshot(run_folder)
    assert command([str(run_folder / path)]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {run_folder}/") and words in line
    assert snapshot(run_folder) == before


def test_a_teacher_has_no_report(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rlnet.report.main([str(run_folder / "digits/teacher")]) == 2
    assert "teacher is neither a finished student's folder" in capsys.readouterr().err
    assert not list(run_folder.rglob("*.png"))
