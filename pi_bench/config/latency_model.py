"""What a latency model is fitted from, and can be told."""

from dataclasses import dataclass
from pathlib import Path

COUNTS = ("relu_layers", "relus", "macs", "linear_layers")  # what latency is predicted from
LEAST = len(COUNTS) + 1  # cards; with fewer, nothing is left to see an error by
ALIKE = ("network", "protocol", "provider", "batch", "precision_bits", "threads")  # of all cards of a model


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
