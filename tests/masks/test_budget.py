"""Budgets: exact arithmetic on what people write, and names that read back."""

import pytest

from masks import budget_name, parse_budget

TOTAL = 557_056


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("50000", 50_000),
        ("50k", 50_000),
        ("50K", 50_000),
        ("0.05m", 50_000),
        ("50_000", 50_000),
        (" 50 k\n", 50_000),
        ("0.1k", 100),
        ("57.123k", 57_123),
        (".5k", 500),
        ("5.k", 5_000),
        ("0", 0),
        ("0%", 0),
        ("100%", TOTAL),
        ("36%", 200_540),  # 200540.16
        ("12.5 %", 69_632),
    ],
)
def test_what_people_write(text: str, budget: int) -> None:
    assert parse_budget(text, TOTAL) == budget


def test_percentages_round_half_up() -> None:
    assert [parse_budget(text, 200) for text in ("0.24%", "0.25%", "0.75%", "1.25%")] == [0, 1, 2, 3]


@pytest.mark.parametrize("thousandths", range(0, 2000, 7))
def test_decimals_are_exact(thousandths: int) -> None:
    assert parse_budget(f"{thousandths // 1000}.{thousandths % 1000:03d}k", TOTAL) == thousandths


@pytest.mark.parametrize(
    "text", ["", "k", "-1", "-5%", "nan", "inf", "1e3", "0x10", "5kk", "5 0", "1,000", ".", "_5", "\u0665"]
)
def test_no_budget(text: str) -> None:
    with pytest.raises(ValueError, match="is no ReLU budget"):
        parse_budget(text, TOTAL)


@pytest.mark.parametrize("text", ["0.0005k", "1.5", "0.0000001m"])
def test_part_of_a_relu(text: str) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        parse_budget(text, TOTAL)


@pytest.mark.parametrize("text", ["557057", "558k", "100.0001%", "1m"])
def test_above_total_names_both(text: str) -> None:
    with pytest.raises(ValueError, match=rf"{text} is above the {TOTAL}"):
        parse_budget(text, TOTAL)


def test_names() -> None:
    assert [budget_name(b) for b in (50_000, 50_135, 0, 1_000_000, 999)] == ["50k", "50135", "0", "1000k", "999"]
    with pytest.raises(ValueError, match="not negative"):
        budget_name(-1000)


@pytest.mark.parametrize("budget", [*range(0, 3000, 125), 50_000, TOTAL])
def test_names_read_back(budget: int) -> None:
    assert parse_budget(budget_name(budget), TOTAL) == budget
