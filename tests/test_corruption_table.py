"""The table of corruptions in docs/evaluation.md is that of its committed card."""

import json
import re
from pathlib import Path
from statistics import fmean

import pytest

from rlnet.data.corruptions import CORRUPTIONS, EXTRA, SEVERITIES

ROOT = Path(__file__).parent.parent
CARD = json.loads((ROOT / "results" / "corruptions.json").read_text())
DOCS = (ROOT / "docs" / "evaluation.md").read_text()


def points(difference: dict, digits: int = 1) -> str:
    """A difference of accuracies in points, with its interval; there is no minus zero."""
    middle, low, high = (f"{round(x, digits) + 0.0:+.{digits}f}" for x in (difference["points"], *difference["ci95"]))
    return f"{middle} ({low} to {high})"


def row(name: str) -> str:
    found = CARD["corruptions"][name]
    light, right = found["brightness"], found["accuracy"]
    cells = [name, *(f"{fmean(light[side]):.1f}" for side in ("ours", "benchmark"))]
    cells += [f"{fmean(right[side]):.1%}" for side in ("ours", "benchmark")]
    return f"| {' | '.join([*cells, points(found['difference']), points(found['seed_difference'])])} |"


def npa_row() -> str:
    found = CARD["npa"]
    cells = ["NPA", "", "", f"{found['ours']:.1%}", f"{found['benchmark']:.1%}"]
    return f"| {' | '.join([*cells, points(found['difference'], 2), points(found['seed_difference'], 2)])} |"


def test_the_table_is_that_of_the_card() -> None:
    rows = [*map(row, CORRUPTIONS), npa_row(), *map(row, EXTRA)]
    start, end = "<!-- corruptions: results/corruptions.json -->\n", "<!-- end of corruptions -->"
    table = DOCS[DOCS.index(start) + len(start) : DOCS.index(end)].strip()
    assert table.splitlines()[2:] == rows


def test_the_sentences_are_those_of_the_card() -> None:
    text = " ".join(DOCS.split())
    before, other = CARD["frost_before"], CARD["frost_on_other_images"]
    classifier, half = other["classifier"], other["classifier_half_trained"]
    assert f"{CARD['images']['n']:,} images" in text
    assert f"{CARD['classifier']['clean_accuracy']:.1%} right on the images as they are" in text
    assert f"On {other['n']:,} other images its frost differs by {points(classifier['difference'])}" in text
    assert f"half-trained ({half['clean_accuracy']:.1%} right on clean ones) by {points(half['difference'])}" in text
    assert (
        f"had a mean brightness of {fmean(before['brightness']):.1f} and differed by {points(before['difference'])}, "
        f"NPA by {points(before['npa_difference'], 2)}; on the other images by {points(classifier['before_difference'])}, "
        f"half-trained by {points(half['before_difference'])}"
    ) in text
    assert f"without frost NPA differs by {points(CARD['npa_without_frost']['difference'], 2)}" in text
    pictures = CARD["frost_on_other_images"]["by_picture"]
    assert "; ".join(f"{name} {points(found['difference'])}" for name, found in pictures.items()) in text
    for name, version in CARD["benchmark"]["versions"].items():
        assert re.search(rf"{re.escape(name)} {re.escape(version)}", text, re.IGNORECASE)


@pytest.mark.parametrize("name", CORRUPTIONS + EXTRA)
def test_the_card_says_what_its_numbers_are(name: str) -> None:
    """Five severities each; the difference is that of the accuracies; what has no randomness has no difference of seeds."""
    found = CARD["corruptions"][name]
    for numbers in (*found["brightness"].values(), *found["accuracy"].values()):
        assert len(numbers) == len(SEVERITIES)
    right = {side: 100 * fmean(values) for side, values in found["accuracy"].items()}
    assert found["difference"]["points"] == pytest.approx(right["ours"] - right["benchmark"], abs=0.02)
    assert found["seed_difference"]["points"] == pytest.approx(right["ours_second_seed"] - right["ours"], abs=0.02)


def test_npa_is_the_mean_of_the_fifteen() -> None:
    for side in ("ours", "benchmark"):
        mean = fmean(fmean(CARD["corruptions"][name]["accuracy"][side]) for name in CORRUPTIONS)
        assert CARD["npa"][side] == pytest.approx(mean, abs=1e-4)


def test_frost_is_as_strong_as_the_benchmarks_within_noise() -> None:
    """The interval contains 0, on the card's images and on the others, and the brightness is within a level."""
    frost, other = CARD["corruptions"]["frost"], CARD["frost_on_other_images"]["classifier"]
    for low, high in (frost["difference"]["ci95"], other["difference"]["ci95"]):
        assert low <= 0 <= high
    assert fmean(frost["brightness"]["ours"]) == pytest.approx(fmean(frost["brightness"]["benchmark"]), abs=1)
