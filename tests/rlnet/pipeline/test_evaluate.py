"""`python -m rlnet.evaluate` and `rlnet.calibrate` on a finished student, in one process and in two, killed and not."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import rlnet
from rlnet import calibrate
from rlnet.data.corruptions import CORRUPTIONS
from rlnet.evaluate import main

from ..forked import Forked

SHORT = ["--device=cpu", "--corruptions=none", "--curve=none", "--attacks=pgd-2", "--adaptive=pgd-2"]


@pytest.fixture
def student(uninterrupted: Path, tmp_path: Path) -> Path:
    """The folder of a finished student."""
    shutil.copytree(uninterrupted, tmp_path / "runs")
    return tmp_path / "runs/digits/relu-3133/student"


def numbers(folder: Path) -> dict:
    """A card without what may differ between two runs that measure the same."""
    card = json.loads((folder / "card.json").read_text())
    return {name: value for name, value in card.items() if name not in ("command", "commit", "hardware")}


def test_measures_what_the_run_itself_measured(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same network, images, attack and seed; and what is printed is what the card says, whole, in 80 columns."""
    accuracy = json.loads((student / "card.json").read_text())["accuracy"]
    assert main([str(student), *SHORT]) == 0
    printed = capsys.readouterr().out
    card = numbers(student / "evaluation")
    modes = card["modes"]
    assert modes["normal"]["clean"]["accuracy"] == accuracy["clean"]
    assert modes["adversarial"]["adversarial"]["pgd-2"]["accuracy"] == accuracy["adversarial"]["pgd-2"]
    for label, values in (
        ("CA", [mode["clean"]["accuracy"] for mode in modes.values()]),
        ("PGD-2", [mode["adversarial"]["pgd-2"]["accuracy"] for mode in modes.values()]),
    ):
        row = rf"{label} +│ +{values[0]:.1%} +│ +{values[1]:.1%}"
        assert re.search(row, printed), printed
    assert (card["kind"], card["dataset"], card["seed"], card["warnings"]) == ("evaluation", "digits", 0, [])


def test_default_run_has_every_metric_and_picture(student: Path) -> None:
    assert main([str(student), "--device=cpu", "--limit=6", "--mode=auto"]) == 0
    card = numbers(student / "evaluation")
    assert list(card["modes"]) == ["normal", "adversarial", "auto"]
    for mode in card["modes"].values():
        assert list(mode["corruptions"]) == list(CORRUPTIONS)
        assert mode["mce"] == pytest.approx(1 - mode["corrupted"])
        assert list(mode["adversarial"]) == ["pgd-7", "pgd-20", "fgsm", "apgd-ce"]
        assert mode["worst_case"]["accuracy"] <= min(found["accuracy"] for found in mode["adversarial"].values())
    assert [row["mode"] for row in card["curve"]] == ["normal", "adversarial"]
    assert {(row["made_on"], row["attack"]) for row in card["crafted"]} == {
        (path, attack) for path in ("normal", "adversarial") for attack in ("pgd-7", "pgd-20", "fgsm")
    }
    assert card["switch"]["score"] == "agreement"
    for name in ("corruptions.png", "attacks.png", "switch.png"):
        assert (student / "evaluation" / name).read_bytes().startswith(b"\x89PNG")


def test_one_mode_only(student: Path) -> None:
    for mode in ("normal", "adversarial"):
        assert main([str(student), *SHORT, f"--mode={mode}", f"--output={student / mode}"]) == 0
        card = numbers(student / mode)
        assert list(card["modes"]) == [mode] and card["crafted"] == [] and "switch" not in card


DYING = """
import os, sys
from rlnet.evaluate import main
from rlnet.evaluation import work
outcome, left = work._outcome, [5]
def dying(*arguments):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), 9)
    return outcome(*arguments)
work._outcome = dying
main(sys.argv[1:])
"""


def test_killed_and_continued(student: Path, fork: Callable[..., Forked], tmp_path: Path) -> None:
    """Whatever `kill -9` leaves, the same command finishes: the numbers of a run that nobody killed, and nothing done twice."""
    arguments = [str(student), "--device=cpu", "--corruptions=fog", "--mode=auto", "--curve=none", "--attacks=pgd-2,pgd-7"]
    journal = student / "evaluation" / "journal-0.jsonl"
    process = fork("-c", DYING, *arguments)
    printed = process.communicate()
    assert process.returncode == -9, printed
    assert not (student / "evaluation" / "card.json").exists()
    before = journal.read_bytes()
    assert before.count(b"\n") == 5
    journal.write_bytes(before[:-20])  # the last line is cut in two
    assert main(arguments) == 0
    after = journal.read_bytes()
    assert after.startswith(before[:-20])
    keys = [json.loads(line)["key"] for line in after.splitlines() if line.endswith(b"}")]
    assert len(set(keys)) == len(keys)
    assert main([*arguments, f"--output={tmp_path / 'whole'}"]) == 0
    assert numbers(student / "evaluation") | {"path": ""} == numbers(tmp_path / "whole") | {"path": ""}
    assert main(arguments) == 0
    assert journal.read_bytes() == after


def test_two_ranks_find_what_one_finds(student: Path, torchrun: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, out, err = torchrun("-m", "rlnet.evaluate", str(student), *SHORT, "--mode=auto", f"--output={tmp_path / 'two'}")
    assert code == 0, err
    assert out.count("attacked images, shown to each mode") == 1
    assert all((tmp_path / "two" / f"journal-{rank}.jsonl").stat().st_size for rank in (0, 1))
    assert main([str(student), *SHORT, "--mode=auto", f"--output={tmp_path / 'one'}"]) == 0
    assert numbers(tmp_path / "two") == numbers(tmp_path / "one")


def test_images_made_on_another_network(student: Path) -> None:
    teacher = student.parent.parent / "teacher"
    assert main([str(student), *SHORT, f"--source={teacher}"]) == 0
    (row,) = (row for row in numbers(student / "evaluation")["crafted"] if row["made_on"] == "source")
    assert row["attack"] == "pgd-2" and set(row["shown_to"]) == {"normal", "adversarial"}


def test_calibrating_makes_mode_auto(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A finished run has its switch; another score or loss replaces it, and the network follows it."""
    x = torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    network = rlnet.load(student)
    assert network.switch.score == "agreement"
    assert calibrate.main([str(student), "--score=normal", "--clean_loss=1", "--device=cpu"]) == 0
    assert "threshold 1.01 on normal: 100.0% of" in capsys.readouterr().out
    network = rlnet.load(student)
    with torch.no_grad():
        assert torch.equal(network(x, mode="auto"), network(x, mode="adversarial"))
        assert torch.equal(network.mode("auto")(x), network.mode("adversarial")(x))
        assert not torch.equal(network(x, mode="auto"), network(x, mode="normal"))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], command: Callable = main) -> str:
    """The one line by which a command says no."""
    capsys.readouterr()
    assert command(arguments) == 2
    printed = capsys.readouterr()
    *_, line = printed.err.splitlines()
    assert line.startswith("error: ") and printed.out == ""
    return line


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("--attacks=pdg-20", "there is no attack 'pdg-20', did you mean pgd-20?"),
        ("--attacks=pgd-20,pgd-20", "names something twice"),
        ("--corruptions=fogg", "there is no corruption 'fogg', did you mean fog?"),
        ("--eps=300/255", "eps is a distance in [0, 1] pixels, for instance 8/255; not 300/255"),
        ("--eps=wide", "'wide' is not a distance"),
        ("--curve=2/255,2", "lies in [0, 1], like 8/255"),
        ("--limit=0", "limit is 0; give at least 1 image"),
        ("--mode=sometimes", "Got value: sometimes"),
        ("--adaptive=square", "it must follow the gradient's sign"),
        ("--clean_loss=2", "it is a fraction of the accuracy"),
        ("--source=/nowhere", "/nowhere is neither a checkpoint nor the folder of a finished stage"),
        ("--corruption_files=/nowhere", "/nowhere"),
    ],
)
def test_bad_flags(student: Path, capsys: pytest.CaptureFixture[str], more: str, words: str) -> None:
    assert words in refused([str(student), *SHORT, more], capsys)
    assert not (student / "evaluation").exists()


def test_corruption_files_of_a_wrong_shape(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "fog.npy", np.zeros((7, 32, 32, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.zeros(7, np.int64))
    line = refused([str(student), "--corruptions=fog", f"--corruption_files={tmp_path}"], capsys)
    assert "digits" in line or "fog.npy" in line
    assert not (student / "evaluation").exists()


def test_what_has_one_path_has_no_switch(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = rlnet.trained.load_with_facts(student)[1]
    single = rlnet.trained.Facts(**{**vars(facts), "network": rlnet.models.NetworkConfig(width=4, batch_norm="single")})
    rlnet.training.checkpoint.save(tmp_path / "single.pt", rlnet.trained.to_content(single.build(), single))
    assert "nothing to switch between" in refused([str(tmp_path / "single.pt"), *SHORT, "--mode=auto"], capsys)
    assert "nothing to switch between" in refused([str(tmp_path / "single.pt")], capsys, calibrate.main)


def test_refuses_what_is_no_data_set_and_no_network(student: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    assert "at least two" in refused([str(student), "--data.name=folder", f"--data.root={tmp_path / 'pictures'}"], capsys)
    assert "neither a checkpoint nor the folder" in refused([str(tmp_path), *SHORT], capsys)


def test_a_damaged_switch_is_named(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in ("{", "[]", '{"score": "agreement"}', '{"score": "luck", "threshold": 0.5}'):
        (student / "switch.json").write_text(content)
        assert "switch.json is damaged" in refused([str(student), *SHORT], capsys)
