"""Pictures and tables of a card: which there are, whether they show the card's numbers, and in what order files appear."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from rich.console import Console

from rlnet.data import ImageSet
from rlnet.evaluation import shown
from rlnet.evaluation.config import FullConfig
from rlnet.evaluation.full import evaluate
from rlnet.evaluation.pictures import draw

Settings = Callable[..., FullConfig]


def test_a_full_card_has_all_pictures(full_card: dict[str, Any]) -> None:
    assert list(draw(full_card)) == ["corruptions.png", "attacks.png", "switch.png"]


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"attacks": ()}, set()),
        ({"attacks": (), "corruptions": ("spatter",)}, {"corruptions.png"}),
        ({"attacks": (), "curve": ("0", "8/255")}, {"attacks.png"}),
        ({"attacks": ("fgsm",)}, {"attacks.png"}),
        ({"attacks": ("fgsm",), "mode": "adversarial", "corruptions": ("fog",)}, {"attacks.png", "corruptions.png"}),
        ({"attacks": (), "mode": "auto"}, {"attacks.png"} - {"attacks.png"}),
        ({"attacks": ("square-5",), "mode": "auto"}, {"attacks.png"}),
        ({"attacks": ("fgsm",), "mode": "auto"}, {"attacks.png", "switch.png"}),
    ],
)
def test_a_card_has_the_pictures_that_it_has_numbers_for(
    settings: dict[str, Any], names: set[str], trained: Any, quick: Settings, believed: ImageSet, tmp_path: Path
) -> None:
    """The files, and the tables in a terminal, of cards that lack something."""
    card = evaluate(trained.network, trained.test, quick(limit=20, **settings), held_out=believed)
    shown.write(card, tmp_path / "evaluation")
    assert {path.name for path in (tmp_path / "evaluation").iterdir()} == names | {"card.json"}
    shown.show(card, tmp_path)
    assert shown.markdown({"x": card}).count("\n") == 1 + len(card["modes"])


def test_card_json_comes_last(full_card: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda source, path: (written.append(path.name), replace(source, path)))
    shown.write(full_card, tmp_path)
    assert written == ["corruptions.png", "attacks.png", "switch.png", "card.json"]
    assert json.loads((tmp_path / "card.json").read_text()) == full_card
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in written[:3])


def test_no_card_without_its_pictures(full_card: dict[str, Any], tmp_path: Path) -> None:
    broken = copy.deepcopy(full_card)
    del broken["switch"]["threshold"]
    with pytest.raises(KeyError):
        shown.write(broken, tmp_path)
    assert not (tmp_path / "card.json").exists()


def test_bars_are_as_high_as_the_accuracies(full_card: dict[str, Any]) -> None:
    bars, curve = draw(full_card)["attacks.png"].axes
    heights = sorted(bar.get_height() for bar in bars.patches)
    expected = []
    for mode in full_card["modes"].values():
        found = [
            mode["clean"],
            *mode["adversarial"].values(),
            mode["worst_case"],
            *([mode["adaptive"]] if "adaptive" in mode else []),
        ]
        expected += [value["accuracy"] for value in found]
    assert heights == pytest.approx(sorted(expected)) and len(heights) == 16
    for line, row in zip(curve.lines, full_card["curve"], strict=True):
        clean = full_card["modes"][row["mode"]]["clean"]["accuracy"]
        assert line.get_xdata() == pytest.approx([0, 4, 128])
        assert line.get_ydata() == pytest.approx([clean, *(point["accuracy"] for point in row["points"])])


def test_marks_lie_at_the_mean_of_the_severities(full_card: dict[str, Any]) -> None:
    (axis,) = draw(full_card)["corruptions.png"].axes
    marks = [line for line in axis.lines if line.get_marker() == "o"]
    for line, mode in zip(marks, full_card["modes"].values(), strict=True):
        assert line.get_xdata() == pytest.approx([fmean(values) for values in mode["corruptions"].values()])
    low = [bar.get_x() for bar in axis.patches]
    high = [bar.get_x() + bar.get_width() for bar in axis.patches]
    values = [values for mode in full_card["modes"].values() for values in mode["corruptions"].values()]
    assert low == pytest.approx([min(v) for v in values]) and high == pytest.approx([max(v) for v in values])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["fog", "contrast", "spatter"]


def test_dots_lie_at_the_threshold_of_the_switch(full_card: dict[str, Any]) -> None:
    (axis,) = draw(full_card)["switch.png"].axes
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axis.lines if line.get_marker() == "o"]
    assert dots == [(found["false_alarms"], found["detection"]) for found in full_card["switch"]["made_on"]]


def text_of(table: Any) -> str:
    console = Console(width=150, record=True, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(table)
    return capture.get()


def test_the_table_has_every_number_of_every_mode(full_card: dict[str, Any]) -> None:
    text = text_of(shown.accuracies(full_card))
    for name, mode in full_card["modes"].items():
        found = [mode["clean"], *mode["adversarial"].values(), mode["worst_case"]]
        assert name in text and all(f"{value['accuracy']:.1%}" in text for value in found)
        assert f"{mode['corrupted']:.1%}" in text and f"{mode['mce']:.1%}" in text
    assert "eps 8/255" in text and "made here" in text and "PGD-2+SQUARE-20" in text
    assert "80 test images each" in " ".join(text.split())


def test_the_table_of_crafted_images(full_card: dict[str, Any]) -> None:
    table = shown.crafted(full_card)
    assert table.row_count == len(full_card["crafted"]) == 4
    text = text_of(table)
    assert all(f"{value:.1%}" in text for row in full_card["crafted"] for value in row["shown_to"].values())


def test_show_prints_warnings_and_the_place(full_card: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    warning = {"name": "label-leak", "text": "normal: something"}
    shown.show(full_card | {"warnings": [warning]}, tmp_path)
    printed = capsys.readouterr().out
    assert "warning label-leak: normal: something (docs/evaluation.md)" in printed.replace("\n", " ")
    assert f"{tmp_path}/card.json and pictures" in printed
    assert f"{full_card['switch']['threshold']:.4g}" in printed


def test_markdown_has_a_row_for_each_mode_of_each_card(full_card: dict[str, Any], trained: Any, quick: Settings) -> None:
    """A card that lacks an attack has a dash there."""
    other = evaluate(trained.network, trained.test, quick(mode="normal", attacks=("cw-2",), limit=20))
    header, rule, *rows = shown.markdown({"one": full_card, "two": other}).splitlines()
    assert header.split(" | ")[1:5] == ["mode", "CA", "NPA", "FGSM"] and "CW-2" in header
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| one", "normal"],
        ["| one", "adversarial"],
        ["| one", "auto"],
        ["| two", "normal"],
    ]
    assert {line.count("|") for line in (header, rule, *rows)} == {11}
    clean, npa, fgsm, *_ = rows[0].split(" | ")[2:]
    normal = full_card["modes"]["normal"]
    assert (clean, npa) == (f"{normal['clean']['accuracy']:.1%}", f"{normal['corrupted']:.1%}")
    assert fgsm == f"{normal['adversarial']['fgsm']['accuracy']:.1%}"
    assert rows[3].split(" | ")[3:7] == ["-"] * 4 and rows[3].split(" | ")[8] == "-"
