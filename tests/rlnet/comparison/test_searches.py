"""The tables of repeated searches: means and spreads over seeds, differences only where seeds are shared."""

import json
from pathlib import Path

import pytest

from rlnet.comparison import searches
from rlnet.report import main


def put(folder: Path, clean: list[float], evaluated: float | None = None, relus: int = 1000) -> None:
    """A search that judged networks of these clean accuracies, the found one first; its AdvA is half its CA."""
    folder.mkdir()
    found = {"cost": {"relus": relus, "macs": 1_250_000}, "accuracy": {"clean": clean[0], "adversarial": 0.1}}
    (folder / "card.json").write_text(json.dumps({"kind": "nas", "found": found}))
    rows = "".join(f"0,{accuracy},{accuracy / 2},{relus},0-1\n" for accuracy in clean)
    (folder / "judged.csv").write_text(f"generation,clean,adversarial,relus,genes\n{rows}")
    if evaluated is not None:
        modes = {
            "normal": {"clean": {"accuracy": evaluated}, "adversarial": {"pgd-20": {"accuracy": 0.0}}},
            "adversarial": {"clean": {"accuracy": 0.0}, "adversarial": {"pgd-20": {"accuracy": evaluated / 2}}},
        }
        (folder / "evaluation.json").write_text(json.dumps({"modes": modes}))


def test_what_was_judged(tmp_path: Path) -> None:
    put(tmp_path / "random-0", [0.5, 0.3])
    put(tmp_path / "random-1", [0.7, 0.3], relus=1200)
    assert searches.markdown(searches.read(tmp_path)).splitlines() == [
        "| search | seeds | ReLUs | MACs "
        "| clean, mean of judged | adversarial, mean of judged | clean, found | adversarial, found |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        "| random | 2 | 1,100 (1,000 to 1,200) | 1.2 M | 45.0% (40.0% to 50.0%) | 22.5% (20.0% to 25.0%) "
        "| 60.0% (50.0% to 70.0%) | 10.0% |",
    ]


def test_what_was_found(tmp_path: Path) -> None:
    """Evaluations take the place of what was judged. Seed 2 has none to be compared with; t(1) is 12.7."""
    for name, evaluated in (("no-tutor-0", 0.5), ("no-tutor-1", 0.5), ("tutor-0", 0.52), ("tutor-1", 0.54), ("tutor-2", 0.9)):
        put(tmp_path / name, [0.4], evaluated)
    found = searches.read(tmp_path)
    table = searches.markdown(found).splitlines()
    assert table[0] == "| search | seeds | ReLUs | MACs | CA | PGD-20 |"
    assert table[3] == "| tutor | 3 | 1,000 | 1.2 M | 65.3% (52.0% to 90.0%) | 32.7% (26.0% to 45.0%) |"
    assert table[4:] == [
        "",
        "| difference, in points (95%) | pairs | CA | PGD-20 |",
        "|---|--:|--:|--:|",
        "| no-tutor - tutor | 2 | -3.0 (-15.7 to +9.7) | -1.5 (-7.9 to +4.9) |",
    ]
    assert searches.difference(found, "tutor", "no-tutor", "CA")[0] == pytest.approx(0.03)
    with pytest.raises(ValueError, match="repeat with another seed"):
        searches.difference({"a": {0: {"CA": 1.0}}, "b": {0: {"CA": 0.5}}}, "a", "b", "CA")


def test_the_report_of_a_folder_prints_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "random-0", [0.5, 0.3])
    (tmp_path / "pictures-0").mkdir()
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == searches.markdown(searches.read(tmp_path))


@pytest.mark.parametrize("text", ["", "generation,clean,adversarial,relus,genes\n", "genes,clean\n0-1\n", "clean\n0.5\n"])
def test_damaged_files_are_named(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "random-0", [0.5])
    (tmp_path / "random-0" / "judged.csv").write_text(text)
    assert main([str(tmp_path)]) == 2
    assert "judged.csv is damaged; run the search again" in capsys.readouterr().err
