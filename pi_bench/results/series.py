"""Cards side by side: which were measured in turn, and the line through the latencies of one network at several budgets."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pi_bench.results.statistics import line


def with_fits(cards: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cards, each with the line through its latency and those of the same network at other budgets.

    Cards belong together that differ in how many ReLUs they keep only: same run, protocol, network, batch, precision,
    multiplications and rounds, for a ReLU layer that keeps none saves its rounds and leaves the line. Fewer than three
    budgets say nothing about a line, and leave "fit" as None.
    """
    groups = defaultdict(list)
    for card in cards:
        groups[_group(card)].append((card["relu"]["kept"], card["online"]["latency_ms"]["median"]))
    fits = {}
    for group, points in groups.items():
        budgets, latencies_ms = zip(*sorted(points), strict=True)
        fits[group] = None
        if len(set(budgets)) >= 3:
            found = line(budgets, latencies_ms)
            fits[group] = {
                "slope_ms_per_relu": found.slope,
                "slope_ci95": None if found.slope_ci95 is None else list(found.slope_ci95),
                "intercept_ms": found.intercept,
                "r2": found.r2,
                "budgets": list(budgets),
                "latency_ms": list(latencies_ms),
            }
    return [{**card, "fit": fits[_group(card)]} for card in cards]


def interleaved(cards: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the cards come from one run, so that repeat i of all was measured in the same turn."""
    return len({(card["command"], card["date"], card["online"]["latency_ms"]["n"]) for card in cards}) == 1


def _group(card: Mapping[str, Any]) -> tuple[Any, ...]:
    same = ("command", "date", "protocol", "provider", "precision_bits", "batch", "threads", "macs")
    return (*(card[key] for key in same), card["online"]["rounds"], *sorted(map(str, card["network"].items())))
