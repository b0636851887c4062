"""Counts a network layer by layer: parameters, multiplications, ReLUs, and what each secure protocol would send, and when.

python -m pi_bench count runs/digits/relu-50k/student/student.onnx
"""

import json
from pathlib import Path

from pi_bench.cli import command
from pi_bench.config.count import CountConfig
from pi_bench.given import check_model, check_there
from pi_bench.progress import say


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
