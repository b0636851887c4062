"""The table of backbones says what the cards say, and only of those that have secure runs."""

import json
from pathlib import Path

import pytest

from rlnet.comparison import backbones
from rlnet.report import main


def student(clean: float) -> dict:
    accuracy = {"clean": clean, "corrupted": None, "adversarial": {"pgd-7": 0.25}}
    return {
        "kind": "student",
        "network": {"name": "resnet18", "width": 8},
        "relu": {"total": 9000, "kept": 2000},
        "evaluation": {"attack": {"eps": "8/255"}},
        "teacher": accuracy | {"clean": clean + 0.1},
        "accuracy": accuracy,
    }


def secure(relus: int, median: float) -> dict:
    latency = {"median": median, "ci95": [median - 1, median + 1]}
    return {"relu": {"kept": relus}, "macs": 12_340_000, "network": {"name": "lan"}, "online": {"latency_ms": latency}}


def put(folder: Path, **cards: dict) -> None:
    folder.mkdir()
    for name, card in cards.items():
        (folder / f"{name.replace('_', '-')}.json").write_text(json.dumps(card))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path / "found", card=student(0.5), secure_teacher=secure(9000, 40), secure_student=secure(2000, 20))
    put(tmp_path / "by-hand", card=student(0.6), secure_teacher=secure(9000, 50.4), secure_student=secure(2000, 21))
    put(tmp_path / "unmeasured", card=student(0.7))
    return tmp_path


def test_two_rows_for_each_backbone(folder: Path) -> None:
    assert backbones.markdown(backbones.read(folder)).splitlines() == [
        "| backbone | ReLUs | MACs | CA | NPA | AdvA PGD-7 | online, lan |",
        "|---|--:|--:|--:|--:|--:|--:|",
        "| by-hand: resnet18, width 8 | 9,000 | 12.3 M | 70.0% | - | 25.0% | 50 ms (49-51) |",
        "|  | 2,000 | 12.3 M | 60.0% | - | 25.0% | 21 ms (20-22) |",
        "| found: resnet18, width 8 | 9,000 | 12.3 M | 60.0% | - | 25.0% | 40 ms (39-41) |",
        "|  | 2,000 | 12.3 M | 50.0% | - | 25.0% | 20 ms (19-21) |",
    ]


def test_the_report_of_a_folder_has_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 0
    printed = capsys.readouterr().out
    assert backbones.markdown(backbones.read(folder)) in printed and "unmeasured" in printed


def test_a_damaged_card_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "found" / "secure-student.json").write_text("{")
    assert main([str(folder)]) == 2
    assert "secure-student.json is damaged" in capsys.readouterr().err
