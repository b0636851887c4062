"""The main command: runs one or several networks securely on this host, checks their answers, and says what they cost.

python -m pi_bench MODEL.onnx
python -m pi_bench STUDENT.onnx --against TEACHER.onnx,STUDENT.onnx@crypten-plain --network loopback,lan,wan
python -m pi_bench STUDENT.onnx --protocol one-trip --inputs images.npz
python -m pi_bench STUDENT.onnx --mode normal,adversarial
"""

from pathlib import Path

from pi_bench.cli import command
from pi_bench.config.benchmark import BenchmarkConfig
from pi_bench.given import check_model, check_there
from pi_bench.progress import say


def benchmark(path: Path, config: BenchmarkConfig) -> None:
    """Runs everything, prints and writes the results."""
    for file in (path, *(file for file, _ in config.others)):
        check_model(file)
    check_there((config.inputs, config.labels, config.calibration))
    say(_intention(path, config))

    from pi_bench.one_host import run
    from pi_bench.results import folder, terminal

    cards = run(path, config)
    terminal.show(cards, all_layers=config.all_layers)
    folder.write(cards, place := config.out or path.parent / "pi_bench")
    say(f"cards, picture.png and page.html are in {place}")


def _intention(path: Path, config: BenchmarkConfig) -> str:
    files = (path, *(f"{file}@{protocol}" if protocol else file for file, protocol in config.others))
    networks = ", ".join(network.name for network in config.networks)
    return f"running {', '.join(map(str, files))} under {', '.join(config.protocols)} on {networks}: starting"


def main(arguments: list[str] | None = None) -> int:
    return command(benchmark, BenchmarkConfig, arguments, positional={"model": (Path, "an ONNX file")})
