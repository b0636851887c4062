"""How much faster the training steps are than plain ones that compute the same, and whether accuracy pays for it.

    python -m rlnet.benchmark                    times one step of each stage, and the partial ReLU alone
    python -m rlnet.benchmark --accuracy true    trains students with both kinds of steps and compares their accuracies
    python -m rlnet.benchmark evaluate           times attacks beside torchattacks' and corruptions beside image by image

The plain steps are those of `rlnet.reference`.
"""

import sys
from typing import Any

from rlnet.cli import announce, command
from rlnet.comparison.config import BenchmarkConfig, EvaluationBenchmarkConfig
from rlnet.runs import find


def benchmark(config: BenchmarkConfig) -> dict[str, Any]:
    """Times the steps or compares the accuracies; prints the result and returns its card."""
    announce(f"{f'{2 * config.seeds} students' if config.accuracy else 'training steps'}, ours beside plain ones")
    from rlnet.comparison import benchmark

    return benchmark.benchmark(config)


def benchmark_evaluation(config: EvaluationBenchmarkConfig) -> dict[str, Any]:
    """Times attacks and corruptions; prints the result and returns its card."""
    announce(f"{find(config.path)}: attacks beside torchattacks', corruptions beside image by image")
    from rlnet.comparison import evaluation

    return evaluation.benchmark_evaluation(config)


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["evaluate"]:
        return command(benchmark_evaluation, EvaluationBenchmarkConfig, arguments[1:])
    return command(benchmark, BenchmarkConfig, arguments)


if __name__ == "__main__":
    sys.exit(main())
