"""Which ReLU budget meets a latency target, and a limit of what is sent before it, by the cost model.

python -m pi_bench plan runs/digits/relu-50k/student/student.onnx --latency 1s --network wan --offline-mb 20
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pi_bench.cli import command
from pi_bench.config.plan import PlanConfig
from pi_bench.given import check_model
from pi_bench.progress import say
from pi_bench.results import card_file
from pi_bench.units import plain

Measure = Callable[[Path, str, str | None], Mapping[str, Any]]


def plan(model: Path, config: PlanConfig, measure: Measure | None = None) -> None:
    """Prints the answer. measure(model, protocol, mode): makes a card where none is given."""
    check_model(model)
    card = None if config.card is None else _card(config.card, config.protocol)
    times = "times measured here" if config.card is None else f"the times in {config.card}"
    say(f"planning {model} for {config.latency} on {config.chosen_network.name} under {config.protocol} by {times}")

    from pi_bench.model import graph

    loaded = graph.load(model, config.mode)
    graph.refuse_unknown(loaded)

    from pi_bench import plan_words, planning  # torch, which a file that is refused need not wait for

    card = card or (measure or planning.measure_on_loopback)(model, config.protocol, loaded.mode)
    found = planning.planned(loaded, config, card)
    if config.json:
        plan_words.print_json(model, found, config)
    else:
        plan_words.print_sentences(found)


def _card(path: Path, protocol: str) -> Mapping[str, Any]:
    """The card in a file. Raises ValueError for one of another protocol."""
    card = card_file.read(path)
    if card["protocol"] != protocol:
        raise ValueError(f"the card is of the protocol {plain(card['protocol'])}, not {protocol}; give one of {protocol}")
    return card


def main(arguments: list[str] | None = None) -> int:
    return command(plan, PlanConfig, arguments, positional={"model": (Path, "an ONNX file")})
