"""A run knows its images: whatever changes among them between two commands is refused, and said."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import rlnet.stages.student
from rlnet import calibrate, evaluate, teacher
from rlnet.config import Config
from rlnet.data import DataConfig
from rlnet.finetune import finetune, main
from rlnet.models import NetworkConfig
from rlnet.runs import find
from rlnet.training import checkpoint

CLASSES = ("bird", "cat", "dog")
STUDENT = "folder/relu-1k/student"


def write_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8))


def write_images(root: Path) -> None:
    """Twenty images a class to train on and five to test on."""
    for part, count in (("train", 20), ("test", 5)):
        for number, name in enumerate(CLASSES):
            for i in range(count):
                write_image(root / part / name / f"{i}.png", 1000 * (part == "test") + 100 * number + i)


def settings(tiny: Callable[..., Config], folder: Path) -> Config:
    data = DataConfig("folder", str(folder / "images"))
    short = {name: {"epochs": 1, "batch_size": 16} for name in ("teacher", "search", "finetune")}
    return tiny(folder / "runs", data=data, relu_budget="1k", network=NetworkConfig(width=2), **short)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[..., Config]) -> Path:
    """A folder with images/ and a finished run in runs/. To be copied, not written to."""
    folder = tmp_path_factory.mktemp("images")
    write_images(folder / "images")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rlnet.stages.student, "export", lambda *arguments: None)
        patch.setattr(rlnet.stages.student, "draw", lambda folder: None)
        finetune(settings(tiny, folder))
    return folder


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "place")
    config = tmp_path / "place/runs" / STUDENT / "config.yaml"
    for file in (tmp_path / "place/runs").rglob("config.yaml"):  # as if it had been made here
        file.write_text(file.read_text().replace(str(finished), str(tmp_path / "place")))
    assert str(tmp_path / "place") in config.read_text()
    return tmp_path / "place"


@pytest.fixture
def command(place: Path, flags: Callable[..., list[str]], tiny: Callable[..., Config]) -> list[str]:
    config = settings(tiny, place)
    names = ("data", "relu_budget", "network", "teacher", "search", "finetune")
    return flags(place / "runs", **{name: getattr(config, name) for name in names})


def more(root: Path) -> None:
    for i in range(240):
        write_image(root / f"train/cat/new{i}.png", 5000 + i)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "more images": (more, "train/ has 260 images of class cat, 240 more"),
    "fewer images": (lambda root: (root / "test/dog/0.png").unlink(), "test/ has 4 images of class dog, 1 fewer"),
    "other contents": (lambda root: write_image(root / "train/bird/3.png", 9), "class bird of train/ has as many images"),
    "another name": (lambda root: (root / "test/cat/1.png").rename(root / "test/cat/9.png"), "class cat of test/ has as many"),
    "a validation set": (lambda root: shutil.copytree(root / "test", root / "val"), "validation/ is new"),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_no_stage_goes_on_with_other_images(
    place: Path, command: list[str], capsys: pytest.CaptureFixture[str], change: Callable[[Path], object], words: str
) -> None:
    """Whichever stage is the next one: after the teacher, after the masks, in the middle of the student, and at the end."""
    change(place / "images")
    student, masks = place / "runs" / STUDENT, place / "runs/folder/relu-1k/masks"
    for step in (lambda: None, (student / "card.json").unlink, lambda: shutil.rmtree(student), lambda: shutil.rmtree(masks)):
        step()
        capsys.readouterr()
        assert main(command) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert words in line and "was made with other images than there are now" in line and "--name" in line
    assert teacher.main(command) == 2


def test_the_same_images_at_another_time_are_the_same(
    place: Path, command: list[str], snapshot: Callable[[Path], dict]
) -> None:
    before = snapshot(place / "runs")
    for file in (place / "images").rglob("*.png"):
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(content)
    assert main(command) == 0
    assert snapshot(place / "runs") == before


@pytest.mark.parametrize("tool", [evaluate.main, calibrate.main], ids=["evaluate", "calibrate"])
@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_what_was_trained_on_is_never_tested_on(
    place: Path, capsys: pytest.CaptureFixture[str], tool: Callable, change: Callable[[Path], object], words: str
) -> None:
    """The folder of the run says where its images lay; a checkpoint alone carries their fingerprint."""
    change(place / "images")
    assert tool([str(place / "runs" / STUDENT), "--device=cpu"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert words in line and "have changed since" in line
    assert not (place / "runs" / STUDENT / "evaluation").exists()


def test_other_images_are_evaluated_where_they_are_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Images of another folder are not those that were trained on; their own fingerprint is in the card."""
    shutil.copytree(place / "images", place / "others")
    (place / "others/test/cat/1.png").unlink()
    options = ["--attacks=pgd-1", "--corruptions=none", "--curve=none", "--device=cpu", f"--data.root={place / 'others'}"]
    assert evaluate.main([str(place / "runs" / STUDENT), "--data.name=folder", *options]) == 0
    card = json.loads((place / "runs" / STUDENT / "evaluation/card.json").read_text())
    assert card["data"]["test"] == 14 and card["modes"]["normal"]["clean"]["n"] == 14
    stage = json.loads((place / "runs" / STUDENT / "card.json").read_text())
    assert stage["data"]["test"] == 15 and stage["data"]["fingerprint"] != card["data"]["fingerprint"]
    assert (
        evaluate.main([str(place / "runs" / STUDENT), "--data.name=folder", f"--data.root={place / 'images'}", *options[:4]])
        == 0
    )
    more(place / "images")
    assert (
        evaluate.main([str(place / "runs" / STUDENT), "--data.name=folder", f"--data.root={place / 'images'}", *options[:4]])
        == 2
    )
    assert "240 more" in capsys.readouterr().err.splitlines()[-1]


def test_a_class_that_was_renamed_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("train", "test"):
        (place / "images" / part / "dog").rename(place / "images" / part / "hound")
    assert evaluate.main([str(place / "runs" / STUDENT)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "its classes are others: without 'dog' and with 'hound'" in line and "--data.root" in line


def test_a_teacher_of_other_images_is_refused(place: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    taught = shutil.copytree(place / "runs/folder/teacher", place / "teacher")
    assert main([*command, "--name=again", f"--teacher_file={taught}", "--finetune.epochs=1"]) == 0
    more(place / "images")
    assert main([*command, "--name=third", f"--teacher_file={taught}"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be the teacher of this experiment" in line and "260 images of class cat" in line
    assert not (place / "runs/third").exists()


def test_every_stage_card_and_checkpoint_says_which_images(place: Path) -> None:
    run = place / "runs/folder"
    (fingerprint,) = {json.loads((run / stage / "images.json").read_text())["digest"] for stage in STAGES}
    for stage in STAGES:
        assert json.loads((run / stage / "card.json").read_text())["data"]["fingerprint"] == fingerprint
        assert checkpoint.load(find(run / stage))["facts"]["images"]["digest"] == fingerprint


STAGES = ("teacher", "relu-1k/masks", "relu-1k/student")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"digest": "x", "parts": {}}'])
def test_a_damaged_record_of_the_images_is_told(
    place: Path, command: list[str], capsys: pytest.CaptureFixture[str], content: str
) -> None:
    file = place / "runs" / STUDENT / "images.json"
    file.write_text(content)
    assert main(command) == 2
    assert f"{file} is damaged; delete the folder" in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_of_an_earlier_version_is_taken_for_the_images_that_are_there(
    place: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (place / "runs").rglob("images.json"):
        file.unlink()
    assert main(command) == 0
    assert capsys.readouterr().err.count("does not say with which images it was made") == 3
    assert len(list((place / "runs").rglob("images.json"))) == 3
    more(place / "images")
    assert main(command) == 2


def test_a_copy_of_a_training_image_in_the_test_set_is_said(
    place: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(place / "images/train/cat/0.png", place / "images/test/cat/zz.png")
    assert teacher.main([*command, "--name=leaking"]) == 0
    assert "warning: 1 of the 16 test images are exact copies of training images" in capsys.readouterr().err
    card = json.loads((place / "runs/leaking/teacher/card.json").read_text())
    assert "exact copies" in card["data"]["leaks"]
    assert torch.tensor(card["accuracy"]["clean"]).isfinite()
