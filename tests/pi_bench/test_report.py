"""Cards shown again: from a folder, in a fixed order, as a table for a README."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pi_bench.report import main, read_cards
from pi_bench.results import card
from pi_bench.units import duration

WAN = {"name": "wan", "rtt_ms": 40.0, "mbit_per_s": 400.0, "emulated": True}


@pytest.fixture
def folder(make_card: Callable[..., dict[str, Any]], tmp_path: Path) -> Path:
    folder = tmp_path / "cards"
    folder.mkdir()
    for kept in ((60, 40), (400, 100), (5, 0)):
        for network in ({}, {"network": WAN}):
            made = make_card(kept=kept, name=f"net-{sum(kept)}.onnx", **network)
            card.write(made, folder / f"{sum(kept)}-{made['network']['name']}.json")
    card.write(make_card(protocol="crypten-plain", name="net-100.onnx"), folder / "plain.json")
    return folder


def test_the_order(folder: Path) -> None:
    """By network; of each the most ReLUs first, and the protocols of a model together."""
    order = [(found["network"]["name"], found["protocol"], found["relu"]["kept"]) for found in read_cards(folder)]
    lan = [("lan", "crypten", 500), ("lan", "crypten", 100), ("lan", "crypten-plain", 100), ("lan", "crypten", 5)]
    assert order == [*lan, ("wan", "crypten", 500), ("wan", "crypten", 100), ("wan", "crypten", 5)]


def test_a_markdown_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One row for each network and protocol; a column for each emulated network, empty where there was no run."""
    assert main([str(folder), "--markdown"]) == 0
    head, rule, *rows = capsys.readouterr().out.splitlines()
    assert head == "| ReLUs | protocol | lan | wan | rounds | bytes | offline |"
    assert rule.count("|") == head.count("|") and [row.split("|")[1].strip() for row in rows] == ["500", "100", "100", "5"]
    assert "crypten-plain" in rows[2] and rows[2].split("|")[4].strip() == ""
    shown = json.loads((folder / "500-lan.json").read_text())["online"]["latency_ms"]["median"]
    assert f"{shown:.3g} ms" in rows[0]


def test_own_networks_come_last_and_each_stays_together(make_card: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    for kept in ((60, 40), (5, 5)):
        for name in ("b", "a", "lan"):
            made = make_card(kept=kept, network={**WAN, "name": name})
            card.write(made, tmp_path / f"{sum(kept)}-{name}.json")
    found = [(made["network"]["name"], made["relu"]["kept"]) for made in read_cards(tmp_path)]
    assert found == [(name, kept) for name in ("lan", "a", "b") for kept in (100, 10)]


def test_the_committed_cards_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever their age: each median stands in the terminal, in the table and on the page."""
    committed = Path(__file__).parents[2] / "results" / "pi_bench"
    assert main([str(committed), f"--out={tmp_path}"]) == main([str(committed), "--markdown"]) == 0
    printed, drawn = capsys.readouterr().out, (tmp_path / "page.html").read_text()
    medians = [duration(made["online"]["latency_ms"]["median"]) for made in read_cards(committed)]
    assert len(medians) >= 21
    assert all(median in printed.split("| ReLUs")[part] for median in medians for part in (0, 1))
    assert all(median in drawn for median in medians)


def test_picture_and_page(folder: Path, tmp_path: Path) -> None:
    assert main([str(folder), f"--out={tmp_path / 'out'}"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"picture.png", "page.html"}


def test_one_card(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder / "100-lan.json")]) == 0
    assert "100 of 500 ReLUs" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "words"), [("", "no cards"), ("nowhere.json", "nowhere.json")])
def test_nothing_there(name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / name)]) == 2
    assert words in capsys.readouterr().err
