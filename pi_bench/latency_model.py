"""A model of online latency, fitted to cards of networks that were run, for programs that choose an architecture.

python -m pi_bench latency-model results/latency --network lan --output results/latency-lan.json
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pi_bench.cli import command, command_line
from pi_bench.config.latency_model import ALIKE, LEAST, LatencyModelConfig
from pi_bench.progress import say
from pi_bench.report import read_cards
from pi_bench.results import card_file
from pi_bench.units import duration


def chosen(cards: Sequence[Mapping[str, Any]], network: str, protocol: str) -> list[Mapping[str, Any]]:
    """Those that are of the network and protocol. Raises ValueError for too few, or for cards that were not made alike."""
    found = [card for card in cards if (card["network"]["name"], card["protocol"]) == (network, protocol)]
    if len({card["model"]["architecture_digest"] for card in found}) < LEAST:
        raise ValueError(
            f"{len(found)} of {len(cards)} cards are of {protocol} on {network}; a model takes {LEAST} of different networks"
        )
    if any(card[key] != found[0][key] for card in found for key in ALIKE):
        raise ValueError("the cards differ in provider, batch, precision or threads; fit a model to cards of one way to run")
    return found


def write_model(cards: Path, config: LatencyModelConfig) -> None:
    """Fits, writes and prints."""
    found = chosen(read_cards(cards), config.network, config.protocol)
    say(f"fitting a model to {len(found)} cards of {cards}")

    from pi_bench.latency_fit import model  # scipy, which cards that are refused need not wait for

    made = {**model(found), "command": command_line()}
    card_file.write(made, config.output)
    for one in made["cards"]:
        print(f"{one['model']}: measured {duration(one['measured_ms'])}, predicted {duration(one['predicted_ms'])}")
    costs = ", ".join(f"{ms:.3g} ms per {name.removesuffix('s').replace('_', ' ')}" for name, ms in made["ms_per"].items())
    print(f"{config.output}: {costs}")
    for name, about in (("fit", "Off"), ("left_out", "For a network that the model was not fitted to, off")):
        error = made["error"][name]
        print(f"{about} by {error['mean_relative']:.1%} in the mean, {error['max_relative']:.1%} at most.")


def main(arguments: list[str] | None = None) -> int:
    return command(write_model, LatencyModelConfig, arguments, positional={"cards": (Path, "a folder of cards")})
