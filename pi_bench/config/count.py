"""What a count can be told."""

from dataclasses import dataclass
from pathlib import Path

from pi_bench.protocols.settings import PROTOCOL_NAMES, Settings


@dataclass(frozen=True)
class CountConfig:
    """Counts the ReLUs of a network, layer by layer, and predicts what it costs under encryption.

    Args:
        json: print JSON.
        batch: images in one inference, for rounds and bytes; everything else is per image.
        mode: which mode of a file that holds several; its first one without.
        protocol: of which protocols, several with commas between; all of them without.
        precision_bits: fractional bits of fixed-point numbers.
        comparison_bits: how many bits of a value one-trip's comparisons read; without it they are chosen by calibration.
        calibration: images for that, a .npz file or a folder; random ones without.
    """

    json: bool = False
    batch: int = 1
    mode: str | None = None
    protocol: str | None = None
    precision_bits: int = Settings.precision_bits
    comparison_bits: int | None = None
    calibration: Path | None = None

    def __post_init__(self) -> None:
        _ = self.settings  # which checks them

    @property
    def settings(self) -> list[Settings]:
        """Of each protocol."""
        chosen = PROTOCOL_NAMES if self.protocol is None else [name.strip() for name in self.protocol.split(",")]
        return [
            Settings(name, "dealer", self.precision_bits, self.batch, self.comparison_bits) for name in dict.fromkeys(chosen)
        ]
