"""Predicts how long a secure inference takes, by a file that `python -m pi_bench latency-model` wrote.

latency = a * ReLU layers + b * ReLUs + c * multiply-accumulates + d * linear layers
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rlnet.nas.cost import Cost

VERSION = 1
COUNTS = ("relu_layers", "relus", "macs", "linear_layers")


@dataclass(frozen=True)
class LatencyModel:
    """ms_per: milliseconds for one of each of `COUNTS`. error: by how much its predictions were off for networks that it was
    fitted without, in the mean, as a fraction. protocol, network: of the inferences that were measured."""

    protocol: str
    network: str
    ms_per: tuple[float, ...]
    error: float

    def predicted_ms(self, cost: Cost) -> float:
        """Of an all-ReLU network. Raises ValueError for one with other activations, of which the model knows nothing."""
        if cost.comparisons != cost.relus:
            raise ValueError(
                "the latency model knows ReLUs only; choose a space without h-swish and squeeze-and-excitation, "
                "or leave --latency-model out"
            )
        counts = (len(cost.sites), cost.relus, cost.macs, cost.layers)
        return sum(ms * n for ms, n in zip(self.ms_per, counts, strict=True))

    def plain(self) -> dict[str, Any]:
        """As JSON and YAML have it."""
        return {**asdict(self), "ms_per": dict(zip(COUNTS, self.ms_per, strict=True))}

    @property
    def where(self) -> str:
        """In words, what was measured."""
        return f"by {self.protocol} on {self.network}"


def read(path: Path) -> LatencyModel:
    """The model in a file. Raises OSError, and ValueError where it holds none."""
    remedy = "python -m pi_bench latency-model writes such a file"
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON, so no latency model; {remedy}") from error
    if not isinstance(content, dict) or content.get("kind") != "latency-model":
        raise ValueError(f"{path} is no latency model; {remedy}")
    if content.get("version") != VERSION:
        raise ValueError(f"{path} is of version {content.get('version')!r}, this program reads version {VERSION}; {remedy}")
    try:
        ms_per = tuple(_amount(content["ms_per"][name]) for name in COUNTS)
        error = _amount(content["error"]["left_out"]["mean_relative"])
        protocol, network, batch = content["protocol"], content["network"]["name"], content["batch"]
    except (KeyError, TypeError, ValueError) as wrong:
        raise ValueError(f"{path} is a damaged latency model ({wrong!r}); {remedy}") from wrong
    if batch != 1:
        raise ValueError(
            f"{path} is for batches of {batch} images; searches count one image, so fit a model to cards of batch 1"
        )
    if set(content["ms_per"]) != set(COUNTS) or not any(ms_per):
        raise ValueError(f"{path} does not say what each of {', '.join(COUNTS)} costs, and nothing else; {remedy}")
    return LatencyModel(str(protocol), str(network), ms_per, error)


def _amount(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"{value!r} is not a number of at least 0")
    return float(value)
