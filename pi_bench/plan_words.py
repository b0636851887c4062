"""What `plan` has found, in sentences or as JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from pi_bench.budget import Answer, Limits, Option, Timing
from pi_bench.config.plan import PlanConfig
from pi_bench.planning import Planned
from pi_bench.results.sentences import network_words
from pi_bench.units import duration, plain, size
from pi_bench.wire.network import Network

EMPTIED = 8  # layers named, at most


def print_sentences(found: Planned) -> None:
    console = Console()
    for sentence in sentences(found):
        console.print(Text(sentence))


def print_json(path: Path, found: Planned, config: PlanConfig) -> None:
    about = {"model": str(path), "mode": found.model.mode, "protocol": config.protocol, "batch": found.batch}
    about |= {"network": asdict(found.network), "target_ms": found.limits.latency_ms, "offline_mb": config.offline_mb}
    print(json.dumps({**about, **as_json(found.answer, found.timing)}, indent=2))


def sentences(found: Planned) -> list[str]:
    """The answer in words."""
    answer, limits, network, timing = found.answer, found.limits, found.network, found.timing
    architecture = found.model.architecture
    total, target = (
        sum(relu.size for relu in architecture.relus),
        f"{duration(limits.latency_ms)} on {network_words(asdict(network))}",
    )
    if limits.offline_bytes is not None:
        target += f" and {size(limits.offline_bytes)} offline"
    best = answer.best
    if answer.outcome == "all":
        said = [f"All {total:,} ReLUs meet {target}: {_takes(best)}."]
    elif answer.outcome == "budget":
        said = [f"The largest ReLU budget that meets {target} is {best.budget:,} of {total:,}: {_takes(best)}."]
        if best.layers < len(architecture.relus):
            said.append(f"It is spread as the model's {best.layers} layers that keep any ReLU; the others stay empty.")
    else:
        said = [*_why_not(answer, limits, target, network), *_fewer(answer)]
    mode = found.model.mode
    return [
        *([] if mode is None else [f"This is of mode {plain(mode)}."]),
        *said,
        f"Predicted, not measured: computing as on the card's machine ({duration(timing.linear_ms)} without ReLUs, "
        f"{1000 * timing.relu_ms:.3g} ms per 1,000), rounds and bytes by the protocol's formulas. Offline time is not in it.",
        *_prices(answer),
    ]


def _prices(answer: Answer) -> list[str]:
    """What a layer and a ReLU cost, from two options."""
    low, high = answer.zero, answer.best or answer.least
    if high.budget == low.budget:
        return []
    layer_ms = (high.prediction.rounds_ms - low.prediction.rounds_ms) / high.layers
    online, offline = ((getattr(high, key) - getattr(low, key)) / high.budget for key in ("online_bytes", "offline_bytes"))
    return [
        f"A ReLU layer costs {duration(layer_ms)} of round trips, whatever it keeps; a ReLU {size(online)} each way online and "
        f"{size(offline)} offline, where a party receives {size(low.offline_bytes)} even without ReLUs."
    ]


def _why_not(answer: Answer, limits: Limits, target: str, network: Network) -> list[str]:
    """Why no budget that keeps a ReLU in every layer meets the target."""
    least = answer.least
    said = [f"No ReLU budget that keeps a ReLU in each of the {least.layers} layers meets {target}."]
    taken_ms = least.prediction.rounds_ms
    if taken_ms > limits.latency_ms:
        rounds = f"{least.rounds:,} rounds x {network.rtt_ms / 2:g} ms (half the RTT) = {duration(taken_ms)}"
        return [*said, f"Its rounds alone exceed it: {rounds}."]
    return [*said, f"With one ReLU each: {_takes(least)}."]


def _fewer(answer: Answer) -> list[str]:
    """What is left when layers are emptied."""
    best, others = answer.best, answer.others
    if best is None:
        return [f"Not even zero ReLUs do: {_takes(answer.zero)}."]
    if best.budget == 0:
        return [f"Only zero ReLUs do: {_takes(best)}."]
    names = [plain(name) for name in reversed(answer.order[best.layers :])]
    more = f" and {len(names) - EMPTIED} more" if len(names) > EMPTIED else ""
    return [
        f"At most {best.layers} of them may keep any. Without {', '.join(names[:EMPTIED])}{more} (those that keep fewest), the "
        f"largest budget is {best.budget:,}: {_takes(best)}.",
        *(f"With {other.layers} layers: {other.budget:,} ReLUs in {duration(other.prediction.total_ms)}." for other in others),
    ]


def as_json(answer: Answer, timing: Timing) -> dict[str, Any]:
    """The answer as plain data."""
    options = {name: getattr(answer, name) for name in ("best", "least", "zero")}
    return {
        "outcome": answer.outcome,
        **{name: None if option is None else _option_json(option) for name, option in options.items()},
        "others": [_option_json(option) for option in answer.others],
        "timing": asdict(timing),
    }


def _option_json(option: Option) -> dict[str, Any]:
    prediction = {**asdict(option.prediction), "total_ms": option.prediction.total_ms}
    sent = {"online_bytes": option.online_bytes, "offline_bytes": option.offline_bytes}
    return {
        "budget": option.budget,
        "layers": option.layers,
        "rounds": option.rounds,
        **prediction,
        **sent,
        "kept": dict(option.kept),
    }


def _takes(option: Option) -> str:
    parts = option.prediction
    return (
        f"{duration(parts.total_ms)} (computing {duration(parts.compute_ms)}, {option.rounds:,} rounds "
        f"{duration(parts.rounds_ms)}, bytes {duration(parts.bytes_ms)}; {size(option.offline_bytes)} offline)"
    )
