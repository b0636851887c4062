"""Counts a network layer by layer: parameters, multiplications, ReLUs, and what each secure protocol would send, and when.

python -m pi_bench count runs/digits/relu-50k/student/student.onnx
"""

import json
from dataclasses import dataclass
from pathlib import Path

from pi_bench.cli import command
from pi_bench.given import check_model, check_there
from pi_bench.progress import say
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


def print_count(path: Path, config: CountConfig) -> None:
    """Prints the table of a file, or its JSON."""
    check_model(path)
    check_there((config.calibration,))
    names = [each.protocol for each in config.settings]
    say(f"counting {path} layer by layer, and what it sends under {', '.join(names)}")

    from pi_bench.model import graph

    model = graph.load(path, config.mode)

    from pi_bench import count_table, counting  # torch, which a file that is refused need not wait for

    settings = counting.settings_for(model, config)
    rows = counting.count(model, counting.protocol_costs(model, settings), counting.comparison_bits(model, settings))
    if config.json:
        print(json.dumps(counting.as_json(model, rows, config.batch), indent=1))
    else:
        count_table.show(path, model, rows, config)


def main(arguments: list[str] | None = None) -> int:
    return command(print_count, CountConfig, arguments, positional={"model": (Path, "the ONNX file")})
