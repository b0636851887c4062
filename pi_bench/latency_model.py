r"""A model of online latency, fitted to cards of networks that were run, for programs that choose an architecture.

    python -m pi_bench latency-model results/latency --network lan --output results/latency-lan.json

    latency = a * ReLU layers + b * ReLUs + c * multiply-accumulates + d * linear layers,   a, b, c, d >= 0

by least squares of relative errors. Rounds are in a and d, bytes in b: what a protocol sends grows with these counts. `plan`
knows more, for it has the network; this is for networks that nobody has built yet.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from pi_bench.cli import command
from pi_bench.report import read_cards
from pi_bench.results import card_file
from pi_bench.results.card import commit
from pi_bench.units import duration

VERSION = 1
COUNTS = ("relu_layers", "relus", "macs", "linear_layers")
LINEAR = ("Conv", "Linear")
LEAST = len(COUNTS) + 1  # cards; with fewer, nothing is left to see an error by


@dataclass(frozen=True)
class LatencyModelConfig:
    """Fits a model of online latency to cards, and writes it as JSON.

    Args:
        network: of the cards; those of another network are left out.
        protocol: of the cards; those of another protocol are left out.
        output: the file to write.
    """

    output: Path
    network: str = "lan"
    protocol: str = "crypten"


def counts(found: Mapping[str, Any]) -> dict[str, int]:
    """What the model sees of a card."""
    layers = found["layers"]
    kept = [layer["relu_kept"] for layer in layers]
    linear = sum(layer["op"] in LINEAR for layer in layers)
    return dict(zip(COUNTS, (sum(k > 0 for k in kept), sum(kept), found["macs"], linear), strict=True))


def fit(x: np.ndarray, measured_ms: np.ndarray) -> np.ndarray:
    """The coefficients (F,) >= 0 in ms that minimise the sum of (x @ ms / measured_ms - 1)^2; x: counts (N, F)."""
    scale = x.max(axis=0)
    return nnls(x / scale / measured_ms[:, None], np.ones(len(x)))[0] / scale


def relative_errors(predicted_ms: np.ndarray, measured_ms: np.ndarray) -> dict[str, float]:
    """The mean and the largest of |predicted / measured - 1|."""
    errors = np.abs(predicted_ms / measured_ms - 1)
    return {"mean_relative": float(errors.mean()), "max_relative": float(errors.max())}


def model(cards: Sequence[Mapping[str, Any]], network: str, protocol: str) -> dict[str, Any]:
    """The model of those cards that are of the network and protocol. Raises ValueError for too few, or too alike."""
    chosen = [found for found in cards if (found["network"]["name"], found["protocol"]) == (network, protocol)]
    if len({found["model"]["architecture_digest"] for found in chosen}) < LEAST:
        raise ValueError(
            f"{len(chosen)} of {len(cards)} cards are of {protocol} on {network}; a model takes {LEAST} of different networks"
        )
    keys = ("network", "protocol", "provider", "batch", "precision_bits", "threads")
    about = [{key: found[key] for key in keys} for found in chosen]
    if any(one != about[0] for one in about):
        raise ValueError("the cards differ in provider, batch, precision or threads; fit a model to cards of one way to run")
    x = np.array([list(counts(found).values()) for found in chosen], float)
    measured_ms = np.array([found["online"]["latency_ms"]["median"] for found in chosen])
    if np.linalg.matrix_rank(x / x.max(axis=0).clip(1)) < len(COUNTS):
        raise ValueError(f"the networks are too alike to tell apart what {', '.join(COUNTS)} cost; measure others")
    ms = fit(x, measured_ms)
    rest = [np.arange(len(x)) != i for i in range(len(x))]
    without_it = np.array([x[i] @ fit(x[others], measured_ms[others]) for i, others in enumerate(rest)])
    return {
        "kind": "latency-model",
        "version": VERSION,
        **about[0],
        "ms_per": dict(zip(COUNTS, ms.tolist(), strict=True)),
        "error": {
            "networks": len(chosen),
            "fit": relative_errors(x @ ms, measured_ms),
            "left_out": relative_errors(without_it, measured_ms),
        },
        "cards": [
            {"model": Path(found["model"]["path"]).name, **counts(found), "measured_ms": m, "predicted_ms": p}
            for found, m, p in zip(chosen, measured_ms.tolist(), (x @ ms).tolist(), strict=True)
        ],
        "hardware": chosen[0]["hardware"],
        "command": shlex.join(["python", "-m", "pi_bench", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
    }


def write_model(cards: Path, config: LatencyModelConfig) -> None:
    """Fits, writes and prints."""
    found = model(read_cards(cards), config.network, config.protocol)
    card_file.write(found, config.output)
    for one in found["cards"]:
        print(f"{one['model']}: measured {duration(one['measured_ms'])}, predicted {duration(one['predicted_ms'])}")
    costs = ", ".join(f"{ms:.3g} ms per {name.removesuffix('s').replace('_', ' ')}" for name, ms in found["ms_per"].items())
    print(f"{config.output}: {costs}")
    for name, about in (("fit", "Off"), ("left_out", "For a network that the model was not fitted to, off")):
        error = found["error"][name]
        print(f"{about} by {error['mean_relative']:.1%} in the mean, {error['max_relative']:.1%} at most.")


def main(arguments: list[str] | None = None) -> int:
    return command(write_model, LatencyModelConfig, arguments, positional={"cards": (Path, "a folder of cards")})
