"""ReLU budgets as people write them: 50000, 50k, 0.05m or 36%."""

import re
from fractions import Fraction

_WRITTEN = re.compile(r"\s*([0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)\s*([km%]?)\s*", re.IGNORECASE | re.ASCII)
_UNIT = {"": 1, "k": 1_000, "m": 1_000_000}


def parse_budget(text: str, total: int) -> int:
    """The number of scalar ReLUs that `text` means for a network that has `total` of them.

    text: a plain decimal number, alone or followed by k (thousands), m (millions) or % (of `total`, rounded half up to
    a whole ReLU); underscores within and spaces around the number are fine. The arithmetic is exact: "0.1k" is 100.
    Returns a count in [0, total]. Raises ValueError for anything else: what is no such number, part of a ReLU
    ("0.0005k"), more than `total`.
    """
    number, unit = read_budget(text)
    budget = number * total / 100 if unit == "%" else number * _UNIT[unit]
    if budget > total:
        raise ValueError(f"a budget of {text.strip()} is above the {total} ReLUs that the network has; give at most {total}")
    return int(budget + Fraction(1, 2)) if unit == "%" else int(budget)


def read_budget(text: str) -> tuple[Fraction, str]:
    """The number and the unit ("", "k", "m" or "%") of a budget. Raises ValueError for what is none for any network."""
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ValueError(f"{text!r} is no ReLU budget; write one as 50000, 50k, 0.05m or 36%, not negative")
    number, unit = Fraction(written[1].replace("_", "").rstrip(".")), written[2].lower()
    if unit != "%" and (number * _UNIT[unit]).denominator != 1:
        raise ValueError(f"a budget of {text.strip()} is not a whole number of ReLUs")
    return number, unit


def budget_name(budget: int) -> str:
    """The budget as file names write it: 50000 is "50k", 50135 is "50135". `parse_budget` reads it back."""
    if budget < 0:
        raise ValueError(f"a ReLU budget is not negative, got {budget}")
    return f"{budget // 1000}k" if budget and budget % 1000 == 0 else str(budget)
