"""python -m pi_bench MODEL.onnx, or one of the commands below.

python -m pi_bench count MODEL.onnx | plan MODEL.onnx --latency 2s | report CARDS | latency-model CARDS --output FILE |
party --role ROLE ...
"""

import sys
from importlib import import_module

COMMANDS = {
    "count": "pi_bench.count",
    "plan": "pi_bench.plan",
    "report": "pi_bench.report",
    "latency-model": "pi_bench.latency_model",
    "party": "pi_bench.party",
}


def main(arguments: list[str]) -> int:
    """Runs the command that is named first, or the benchmark."""
    if arguments and arguments[0] in COMMANDS:
        return import_module(COMMANDS[arguments[0]]).main(arguments[1:])
    return import_module("pi_bench.benchmark").main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
