"""From a network and a card of its times to the budget that meets the limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_bench.budget import Answer, Limits, Timing, search
from pi_bench.config.plan import PlanConfig, parse_latency
from pi_bench.model.operations import Architecture, Model
from pi_bench.protocols import registry
from pi_bench.protocols.settings import Settings
from pi_bench.wire.network import Network


@dataclass(frozen=True)
class Planned:
    """An answer, and what it is an answer to. batch: images in an inference of the card."""

    answer: Answer
    model: Model
    limits: Limits
    network: Network
    timing: Timing
    batch: int


def planned(model: Model, config: PlanConfig, card: Mapping[str, Any]) -> Planned:
    """The answer for a network whose computing takes what the card says."""
    architecture, network = model.architecture, config.chosen_network
    timing = timing_of(card, architecture)
    limits = Limits(parse_latency(config.latency), None if config.offline_mb is None else 1e6 * config.offline_mb)
    settings = settings_of(card, architecture, config.protocol)
    answer = search(architecture, timing, limits, network, lambda planned: registry.costs(planned, settings))
    return Planned(answer, model, limits, network, timing, card["batch"])


def settings_of(card: Mapping[str, Any], architecture: Architecture, protocol: str) -> Settings:
    """Those of the card's run, by which costs are predicted; sites that keep nothing there get the most bits of the others."""
    known = {} if card["comparison"] is None else card["comparison"]["bits"]
    bits = {relu.name: known.get(relu.name, max(known.values())) for relu in architecture.relus} if known else {}
    return Settings(protocol, precision_bits=card["precision_bits"], batch=card["batch"], site_bits=bits)


def timing_of(card: Mapping[str, Any], architecture: Architecture) -> Timing:
    """What the card says of computing. Raises ValueError for a card of another network, or without such times."""
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
    from pi_bench.config.benchmark import BenchmarkConfig  # here, for a plan by a card starts no party
    from pi_bench.one_host import run

    (card,) = run(model, BenchmarkConfig(protocol=protocol, mode=mode, repeats=5, warmups=1, images=1))
    return card
