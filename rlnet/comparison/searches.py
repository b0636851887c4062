"""Searches side by side, each repeated with several seeds: what they judged, or what the networks that they found are worth.

A folder NAME-SEED for each holds the search's card.json and judged.csv, and the evaluation of the network it found, where there
is one, as evaluation.json.
"""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from rlnet.card import read_card
from rlnet.comparison.intervals import mean_interval
from rlnet.evaluation.shown import percent
from rlnet.nas.judged_table import read_judged

Searches = dict[str, dict[int, dict[str, float]]]
"""By name and seed: the costs of the network found, and accuracies, fractions of 1, by the table's headers."""
COSTS: dict[str, Callable[[float], str]] = {"ReLUs": "{:,.0f}".format, "MACs": lambda macs: f"{macs / 1e6:.1f} M"}


def read(path: Path) -> Searches:
    """The searches in a folder; none where there are none. Raises ValueError for a damaged file."""
    found: Searches = {}
    for file in sorted(path.glob("*/card.json")):
        name, _, seed = file.parent.name.rpartition("-")
        card = read_card(file)
        if card.get("kind") == "nas" and name and seed.isdecimal():
            found.setdefault(name, {})[int(seed)] = _values(card, file.parent)
    return found


def _values(card: dict[str, Any], folder: Path) -> dict[str, float]:
    cost = card["found"]["cost"]
    values = {"ReLUs": cost["relus"], "MACs": cost["macs"]}
    evaluation = folder / "evaluation.json"
    if evaluation.exists():
        modes = read_card(evaluation)["modes"]
        robust = modes["adversarial"]["adversarial"]
        values |= {"CA": modes["normal"]["clean"]["accuracy"]}
        return values | {attack.upper(): about["accuracy"] for attack, about in robust.items()}
    judged = read_judged(folder / "judged.csv")
    means = {f"{name}, mean of judged": fmean(float(row[name]) for row in judged) for name in ("clean", "adversarial")}
    return values | means | {f"{name}, found": card["found"]["accuracy"][name] for name in ("clean", "adversarial")}


def markdown(searches: Searches) -> str:
    """The means over seeds, the lowest and the highest, as a Markdown table; below it the differences, if seeds are shared."""
    columns = list(dict.fromkeys(name for runs in searches.values() for values in runs.values() for name in values))
    lines = [f"| search | seeds | {' | '.join(columns)} |", "|---|--:|" + "--:|" * len(columns)]
    for name, runs in searches.items():
        cells = [_spread([values[column] for values in runs.values()], COSTS.get(column, percent)) for column in columns]
        lines.append(f"| {name} | {len(runs)} | {' | '.join(cells)} |")
    accuracies = [column for column in columns if column not in COSTS]
    rows = [
        f"| {one} - {other} | {len(seeds)} | {' | '.join(_points(searches, one, other, column) for column in accuracies)} |"
        for one, other in combinations(searches, 2)
        if len(seeds := searches[one].keys() & searches[other].keys()) > 1
    ]
    if rows:
        headers = f"| difference, in points (95%) | pairs | {' | '.join(accuracies)} |"
        lines += ["", headers, "|---|--:|" + "--:|" * len(accuracies), *rows]
    return "\n".join(lines)


def difference(searches: Searches, one: str, other: str, column: str) -> tuple[float, float, float]:
    """By how much one search is above the other, the mean over the seeds of both and its 95% interval (`mean_interval`)."""
    seeds = sorted(searches[one].keys() & searches[other].keys())
    return mean_interval([searches[one][seed][column] - searches[other][seed][column] for seed in seeds])


def _points(searches: Searches, one: str, other: str, column: str) -> str:
    mean, low, high = (100 * value for value in difference(searches, one, other, column))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _spread(values: list[float], shown: Callable[[float], str]) -> str:
    mean, low, high = (shown(value) for value in (fmean(values), min(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"
