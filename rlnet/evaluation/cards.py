"""What a card says of an evaluation's outcomes."""

from typing import Any

from rlnet.attacks import ROBUST
from rlnet.data.corruptions import CORRUPTIONS
from rlnet.data.corruptions.metrics import BASELINE_ERRORS, mce, npa
from rlnet.evaluation.outcomes import Outcomes, hits, with_interval
from rlnet.evaluation.switching import detection
from rlnet.models import Switch


def accuracies(outcomes: Outcomes, mode: str) -> dict[str, Any]:
    """CA, NPA and the robust accuracy under each attack of a mode, fractions of 1; None for what was not measured."""
    by_corruption = outcomes.corruptions_of(mode)
    return {
        "clean": hits(outcomes.clean[mode]).accuracy,
        "corrupted": npa(by_corruption) if counts(by_corruption) else None,
        "adversarial": {attack: hits(outcomes.robust(mode, attack)).accuracy for m, attack in outcomes.attacked if m == mode},
    }


def counts(by_corruption: dict[str, list[float]]) -> bool:
    """Whether some of the fifteen corruptions of the benchmark are there, over which NPA is a mean."""
    return any(name in by_corruption for name in CORRUPTIONS)


def of_mode(outcomes: Outcomes, mode: str, dataset: str) -> dict[str, Any]:
    """All that was measured of one mode. dataset: decides what mCE is divided by."""
    by_corruption = outcomes.corruptions_of(mode)
    baseline = BASELINE_ERRORS.get(dataset)
    has_mce = counts(by_corruption) and (baseline is None or all(name in by_corruption for name in baseline))
    worst = outcomes.worst_case(mode)
    card: dict[str, Any] = {
        "clean": with_interval(outcomes.clean[mode]),
        "corrupted": npa(by_corruption) if counts(by_corruption) else None,
        "mce": mce(by_corruption, baseline) if has_mce else None,
        "corruptions": by_corruption,
        "corrupted_images": len(next(iter(outcomes.corrupted.values()))[mode]) if outcomes.corrupted else 0,
        "adversarial": {
            attack: with_interval(outcomes.robust(mode, attack)) | {"stages": outcomes.stage_accuracies(mode, attack)}
            for m, attack in outcomes.attacked
            if m == mode
        },
    }
    if mode == "auto" and outcomes.adaptive is not None:
        card["adaptive"] = with_interval(outcomes.under_adaptive()) | {
            f"through_{path}": hits(~outcomes.adaptive[path].bool()).accuracy for path in ("normal", "adversarial")
        }
    if worst is not None:
        card["worst_case"] = with_interval(worst)
    return card


def crafted(outcomes: Outcomes) -> list[dict[str, Any]]:
    """Images made on one classifier and shown to every mode: the accuracy of each."""
    return [
        {
            "made_on": origin,
            "attack": attack,
            "source": hits(outcome["source"]).accuracy,
            "shown_to": {mode: hits(outcome[mode]).accuracy for mode in outcomes.modes},
            "n": len(outcome["source"]),
        }
        for (origin, attack), outcome in outcomes.crafted.items()
    ]


def curve(outcomes: Outcomes) -> list[dict[str, Any]]:
    """The robust accuracy over eps, a curve for each mode."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (mode, attack, eps), outcome in outcomes.curve.items():
        found.setdefault((mode, attack), []).append({"eps": str(eps), **with_interval(outcome["fooled_by"] == ROBUST)})
    return [{"mode": mode, "attack": attack, "points": points} for (mode, attack), points in found.items()]


def switch(outcomes: Outcomes, rule: Switch, calibration: dict[str, Any]) -> dict[str, Any]:
    """The automatic switch: how it was calibrated, and how well it tells test images from those made on either path."""
    clean = outcomes.clean["confidence"]
    return calibration | {
        "made_on": [
            {"made_on": origin, "attack": attack, **detection(rule, clean, outcome["confidence"])}
            for (origin, attack), outcome in outcomes.crafted.items()
        ]
    }
