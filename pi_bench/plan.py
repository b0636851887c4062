"""Which ReLU budget meets a latency target, and a limit of what is sent before it, by the cost model.

python -m pi_bench plan runs/digits/relu-50k/student/student.onnx --latency 1s --network wan --offline-mb 20
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from pi_bench import protocols
from pi_bench.budget import Answer, Limits, Option, Timing, search
from pi_bench.cli import command
from pi_bench.model import graph
from pi_bench.model.operations import Architecture
from pi_bench.protocols.settings import Settings
from pi_bench.results import card_file
from pi_bench.results.sentences import network_words
from pi_bench.units import duration, plain, size
from pi_bench.wire.network import REAL, Network, choose

UNITS_MS = {"ms": 1.0, "s": 1000.0, "min": 60_000.0, "": 1000.0}
EMPTIED = 8  # layers named, at most
Measure = Callable[[Path, str, str | None], Mapping[str, Any]]


@dataclass(frozen=True)
class PlanConfig:
    """Says which ReLU budget meets a latency target on a network.

    Args:
        latency: online latency of one inference: 2s, 450ms, or seconds without a unit.
        offline_mb: megabytes that a party may receive for an inference before its input is known; any without.
        network: loopback, lan, wan, lan-1g or wan-100m.
        protocol: the secure protocol.
        mode: which mode of a file that holds several; its first one without.
        card: a card of the same network at any budget, whose computing times are used; measured here without.
        rtt_ms: an own network: time to the other party and back.
        mbit_per_s: an own network: bandwidth of each direction.
        json: print JSON.
    """

    latency: str
    offline_mb: float | None = None
    network: str = "wan"
    protocol: str = Settings.protocol
    mode: str | None = None
    card: Path | None = None
    rtt_ms: float | None = None
    mbit_per_s: float | None = None
    json: bool = False

    def __post_init__(self) -> None:
        parse_latency(self.latency)
        if self.offline_mb is not None and not 0 < self.offline_mb < float("inf"):
            raise ValueError(f"offline_mb is {self.offline_mb}: a limit in megabytes, above 0")
        if self.protocol not in protocols.names():
            raise ValueError(f"there is no protocol {self.protocol!r}; choose one of {', '.join(protocols.names())}")
        if self.chosen_network == REAL:
            raise ValueError("nobody knows the delay of a real network; give --rtt-ms and --mbit-per-s as you measured them")

    @property
    def chosen_network(self) -> Network:
        return choose(self.network, self.rtt_ms, self.mbit_per_s)


def parse_latency(text: str) -> float:
    """Milliseconds of "2s", "450ms" or "1.5" (seconds). Raises ValueError for anything else, and for zero."""
    found = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s|min|)\s*", text, re.ASCII)
    if found is None or not 0 < (ms := float(found[1]) * UNITS_MS[found[2]]) < float("inf"):
        raise ValueError(f"{text!r} is no latency; write 2s, 450ms or, in seconds, 1.5")
    return ms


def plan(model: Path, config: PlanConfig, measure: Measure | None = None) -> Answer:
    """Prints and returns the answer. measure(model, protocol, mode): makes a card where none is given."""
    loaded = graph.load(model, config.mode)
    graph.refuse_unknown(loaded)
    architecture, network, target_ms = loaded.architecture, config.chosen_network, parse_latency(config.latency)
    if config.card is not None:
        card = card_file.read(config.card)
    else:
        card = (measure or measure_on_loopback)(model, config.protocol, loaded.mode)
    timing = timing_of(card, architecture, config.protocol)
    limits = Limits(target_ms, None if config.offline_mb is None else 1e6 * config.offline_mb)
    settings = settings_of(card, architecture, config.protocol)
    answer = search(architecture, timing, limits, network, lambda planned: protocols.costs(planned, settings))
    if config.json:
        found = {"model": str(model), "mode": loaded.mode, "protocol": config.protocol, "batch": card["batch"]}
        found |= {"network": asdict(network), "target_ms": target_ms, "offline_mb": config.offline_mb}
        print(json.dumps({**found, **as_json(answer, timing)}, indent=2))
    else:
        console = Console()
        if loaded.mode is not None:
            console.print(Text(f"The file holds several modes; this is of mode {loaded.mode}."))
        for sentence in sentences(answer, architecture, limits, network, timing):
            console.print(Text(sentence))
    return answer


def settings_of(card: Mapping[str, Any], architecture: Architecture, protocol: str) -> Settings:
    """Those of the card's run, by which costs are predicted; sites that keep nothing there get the most bits of the others."""
    known = {} if card["comparison"] is None else card["comparison"]["bits"]
    bits = {relu.name: known.get(relu.name, max(known.values())) for relu in architecture.relus} if known else {}
    return Settings(protocol, precision_bits=card["precision_bits"], batch=card["batch"], site_bits=bits)


def timing_of(card: Mapping[str, Any], architecture: Architecture, protocol: str) -> Timing:
    """What the card says of computing. Raises ValueError for a card of another network or protocol, or without such times."""
    if card["protocol"] != protocol:
        raise ValueError(f"the card is of the protocol {plain(card['protocol'])}, not {protocol}; give one of {protocol}")
    sizes = {relu.name: relu.size for relu in architecture.relus}
    totals = {name: site["total"] for name, site in card["relu"]["sites"].items()}
    macs = sum(operation.macs for operation in architecture.operations)
    if card["macs"] != macs or any(totals[name] != sizes[name] for name in totals.keys() & sizes.keys()):
        raise ValueError(
            f"the card is of another network ({card['macs']:,} multiplications, {card['relu']['total']:,} ReLUs) than the "
            f"model ({macs:,}, {sum(sizes.values()):,}); give a card of the same network at any budget"
        )
    layers = card["layers"]
    if card["online"]["compute_ms"] is None:
        if card["network"]["name"] != "loopback":
            raise ValueError("the card does not say how long its computing took; measure one on loopback")
        layers = [{**layer, "compute_ms": layer["ms"]} for layer in layers]
    return Timing.of(layers)


def measure_on_loopback(model: Path, protocol: str, mode: str | None) -> Mapping[str, Any]:
    """The card of a few inferences here."""
    from pi_bench.benchmark import BenchmarkConfig, run  # here, for a plan by a card starts no party

    (card,) = run(model, BenchmarkConfig(protocol=protocol, mode=mode, repeats=5, warmups=1, images=1))
    return card


def sentences(answer: Answer, architecture: Architecture, limits: Limits, network: Network, timing: Timing) -> list[str]:
    """The answer in words."""
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
    return [
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


def main(arguments: list[str] | None = None) -> int:
    return command(plan, PlanConfig, arguments, positional={"model": (Path, "an ONNX file")})
