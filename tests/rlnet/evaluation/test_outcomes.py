"""What outcomes say, by hand: stages, the worst case, the adaptive attack, curves and crafted images of a card."""

from typing import Any

import pytest
import torch
from torch import Tensor

from rlnet.attacks import ROBUST, WRONG, Pixels
from rlnet.evaluation import cards
from rlnet.evaluation.outcomes import Outcomes, hits, with_interval


def bits(text: str) -> Tensor:
    """Right or wrong, image by image."""
    return torch.tensor([int(bit) for bit in text])


def fooled_by(*stages: int) -> dict[str, Tensor]:
    return {"fooled_by": torch.tensor(stages)}


@pytest.fixture
def outcomes() -> Outcomes:
    """Five images, both modes and auto."""
    clean = {"normal": bits("11110"), "adversarial": bits("11101"), "auto": bits("11100"), "confidence": torch.rand(5)}
    return Outcomes(
        clean=clean,
        corrupted={
            ("fog", 2): {"normal": bits("10000"), "adversarial": bits("00000"), "auto": bits("00000")},
            ("snow", 1): {"normal": bits("11110"), "adversarial": bits("11111"), "auto": bits("11110")},
            ("fog", 1): {"normal": bits("11100"), "adversarial": bits("11000"), "auto": bits("11000")},
        },
        attacked={
            ("normal", "a+b"): fooled_by(ROBUST, 1, 0, ROBUST, WRONG),
            ("adversarial", "a+b"): fooled_by(ROBUST, ROBUST, 0, WRONG, ROBUST),
            ("auto", "a+b"): fooled_by(ROBUST, ROBUST, ROBUST, WRONG, WRONG),
            ("normal", "a"): fooled_by(ROBUST, ROBUST, ROBUST, 0, WRONG),
        },
        curve={
            ("normal", "a", Pixels("1/255")): fooled_by(ROBUST, ROBUST, 0, 0, WRONG),
            ("adversarial", "a", Pixels("1/255")): fooled_by(ROBUST, 0, 0, 0, WRONG),
            ("normal", "a", Pixels("2/255")): fooled_by(0, 0, 0, 0, WRONG),
        },
        crafted={
            ("normal", "a"): {
                "source": bits("11000"),
                "normal": bits("11001"),
                "adversarial": bits("01111"),
                "auto": bits("11111"),
            },
            ("source", "a"): {
                "source": bits("10000"),
                "normal": bits("00001"),
                "adversarial": bits("00000"),
                "auto": bits("00000"),
            },
        },
        adaptive={"normal": bits("10011"), "adversarial": bits("00111")},
        stages={"a": ("a",), "a+b": ("a", "b")},
    )


def test_stage_accuracies(outcomes: Outcomes) -> None:
    assert outcomes.stage_accuracies("normal", "a+b") == {"clean": 0.8, "a": 0.6, "b": 0.4}
    assert outcomes.stage_accuracies("adversarial", "a+b") == {"clean": 0.8, "a": 0.6, "b": 0.6}
    assert outcomes.stage_accuracies("normal", "a") == {"clean": 0.8, "a": 0.6}


def test_under_adaptive_an_image_must_withstand_both_ways(outcomes: Outcomes) -> None:
    assert outcomes.under_adaptive().tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(("mode", "right"), [("normal", "10000"), ("adversarial", "01001"), ("auto", "01000")])
def test_worst_case(mode: str, right: str, outcomes: Outcomes) -> None:
    """All attacks on the mode, images made on the paths, and for auto the adaptive attack; not another network's images."""
    assert outcomes.worst_case(mode).long().tolist() == bits(right).tolist()


def test_no_attack_no_worst_case(outcomes: Outcomes) -> None:
    nothing = Outcomes(outcomes.clean, outcomes.corrupted, {}, {}, {}, None, {})
    assert nothing.worst_case("normal") is None
    assert "worst_case" not in cards.of_mode(nothing, "normal", "")


def test_corruptions_are_sorted_by_severity(outcomes: Outcomes) -> None:
    assert outcomes.corruptions_of("normal") == {"fog": [0.6, 0.2], "snow": [0.8]}
    assert outcomes.corruptions_of("adversarial") == {"fog": [0.4, 0.0], "snow": [1.0]}


def test_modes_are_those_of_the_clean_images(outcomes: Outcomes) -> None:
    assert outcomes.modes == ("normal", "adversarial", "auto")
    assert Outcomes({"adversarial": bits("1")}, {}, {}, {}, {}, None, {}).modes == ("adversarial",)


def test_a_mode_s_card(outcomes: Outcomes) -> None:
    card = cards.of_mode(outcomes, "auto", "")
    assert card["clean"]["accuracy"] == 0.6 and card["corrupted"] == pytest.approx((0.2 + 0.8) / 2)
    assert card["adversarial"]["a+b"]["accuracy"] == 0.6 and list(card["adversarial"]) == ["a+b"]
    assert card["adaptive"]["accuracy"] == 0.2 and card["adaptive"]["n"] == 5
    assert (card["adaptive"]["through_normal"], card["adaptive"]["through_adversarial"]) == (0.4, 0.4)
    assert card["worst_case"]["accuracy"] == 0.2
    assert "adaptive" not in cards.of_mode(outcomes, "normal", "")


def test_the_accuracies_of_the_paper(outcomes: Outcomes) -> None:
    found = cards.accuracies(outcomes, "normal")
    assert found == {"clean": 0.8, "corrupted": pytest.approx((0.4 + 0.8) / 2), "adversarial": {"a+b": 0.4, "a": 0.6}}


def test_the_curve_of_each_mode(outcomes: Outcomes) -> None:
    found = {
        row["mode"]: [(point["eps"], point["accuracy"], point["n"]) for point in row["points"]] for row in cards.curve(outcomes)
    }
    assert found == {"normal": [("1/255", 0.4, 5), ("2/255", 0.0, 5)], "adversarial": [("1/255", 0.2, 5)]}


def test_crafted_images_and_who_is_right_on_them(outcomes: Outcomes) -> None:
    rows: list[dict[str, Any]] = cards.crafted(outcomes)
    assert [(row["made_on"], row["source"]) for row in rows] == [("normal", 0.4), ("source", 0.2)]
    assert rows[0]["shown_to"] == {"normal": 0.6, "adversarial": 0.8, "auto": 1.0}


def test_an_accuracy_with_its_interval() -> None:
    """Wilson's for 8 of 10 is [0.490, 0.943]."""
    found = with_interval(bits("1111111100"))
    assert found == {"accuracy": 0.8, "ci95": [pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4)], "n": 10}
    assert hits(torch.tensor([True, False])).correct == 1
