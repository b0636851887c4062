"""What a command loads before it says anything: help and refusals stay below a second, a first line comes before the work.

Times depend on the machine, so what is counted here is modules: a command that has not loaded torch answers in half a second.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pi_bench.__main__ import COMMANDS

HEAVY = {"torch", "torchvision", "crypten", "onnx", "onnxruntime", "matplotlib", "numpy", "scipy", "rich", "PIL"}
MOST = 320  # modules after all of this: Python's own, jsonargparse's and some twenty of this package

PROGRAM = """
import contextlib, io, json, sys
from pi_bench.__main__ import main

class Stopping(io.StringIO):
    # What is written to stderr; what is no error ends the command, as Ctrl-C would.
    def write(self, text):
        super().write(text)
        if not text.startswith(("error", "interrupted", "\\n")):
            raise KeyboardInterrupt

found = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), Stopping()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as end:  # as argparse ends --help
            code = end.code
    found.append((code, out.getvalue(), err.getvalue(), sorted(sys.modules)))
print(json.dumps(found))
"""


def started(folder: Path, *commands: list[str]) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of each, one after the other in one process, which has loaded little at the end."""
    program = [sys.executable, "-c", PROGRAM, json.dumps(commands)]
    root = str(Path(__file__).parents[2])
    found = subprocess.run(program, capture_output=True, text=True, check=True, cwd=folder, env={"PYTHONPATH": root})
    results = []
    for (code, out, err, modules), command in zip(json.loads(found.stdout), commands, strict=True):
        heavy = HEAVY & {name.partition(".")[0] for name in modules}
        assert not heavy and 100 < len(modules) < MOST, (command, code, err, heavy, len(modules))
        results.append((code, out, err))
    return results


def test_help_loads_little(tmp_path: Path) -> None:
    helps = [[*filter(None, [command]), "--help"] for command in ("", *COMMANDS)]
    for arguments, (code, out, err) in zip(helps, started(tmp_path, *helps), strict=True):
        assert code == 0 and err == "" and "usage" in out.lower() and arguments[0].removeprefix("--help") in out


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Files that are there, whatever they hold."""
    for name in ("model.onnx", "images.npz", "card.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "empty").mkdir()
    return tmp_path


REFUSED = [
    ["model.onnx", "--repeat=3"],
    ["model.onnx", "--protocol=nobody"],
    ["model.onnx", "--against=model.onnx@nobody"],
    ["model.onnx", "--network=moon"],
    ["model.onnx", "--network=real"],
    ["model.onnx", "--labels=images.npz"],
    ["model.onnx", "--comparison-bits=20", "--calibration=images.npz"],
    ["model.onnx", "--inputs=nowhere.npz"],
    ["model.onnx", "--against=nowhere.onnx"],
    ["nowhere.onnx"],
    ["empty"],
    [],
    ["count", "nowhere.onnx"],
    ["count", "model.onnx", "--protocol=nobody"],
    ["count", "model.onnx", "--batch=0"],
    ["plan", "nowhere.onnx", "--latency=1s"],
    ["plan", "model.onnx"],
    ["plan", "model.onnx", "--latency=soon"],
    ["plan", "model.onnx", "--latency=1s", "--protocol=nobody"],
    ["plan", "model.onnx", "--latency=1s", "--card=nowhere.json"],
    ["plan", "model.onnx", "--latency=1s", "--card=card.json"],
    ["report", "empty"],
    ["report", "nowhere"],
    ["report", "card.json"],
    ["report", "empty", "--mark"],
    ["latency-model", "empty", "--output=a.json"],
    ["latency-model", "card.json", "--output=a.json"],
    ["party", "--role=judge", "--rendezvous=tcp://localhost:1"],
    ["party", "--role=dealer", "--rendezvous=localhost"],
    ["party", "--role=server", "--rendezvous=tcp://localhost:1"],
    ["party", "--role=server", "--rendezvous=tcp://localhost:1", "--model=nowhere.onnx"],
    ["party", "--role=client", "--rendezvous=tcp://localhost:1", "--inputs=images.npz", "--model=model.onnx"],
    ["party", "--role=client", "--rendezvous=tcp://localhost:1", "--inputs=nowhere.npz"],
    ["party", "--role=dealer", "--rendezvous=tcp://localhost:1", "--listen-fd=77"],
]


def test_refusals_that_need_no_network_load_little(place: Path) -> None:
    for arguments, (code, out, err) in zip(REFUSED, started(place, *REFUSED), strict=True):
        assert code == 2 and out == "" and err.startswith("error: ") and err.count("\n") == 1, (arguments, code, err)


def test_the_first_line_comes_before_the_work(place: Path, make_card) -> None:
    """What will be done, of what; stopped right there, the command is interrupted and has loaded nothing yet."""
    for number in range(5):
        card = make_card()
        card["model"]["architecture_digest"] = str(number)
        (place / "empty" / f"{number}.json").write_text(json.dumps(card))
    one = "empty/0.json"
    going_on = {
        "model.onnx under one-trip, crypten on lan": ["model.onnx", "--network=lan"],
        "model.onnx": ["count", "model.onnx"],
        "model.onnx for 2s on wan": ["plan", "model.onnx", "--latency=2s"],
        f"the times in {one}": ["plan", "model.onnx", "--latency=2s", f"--card={one}", "--protocol=crypten"],
        "5 cards of empty": ["report", "empty"],
        "to 5 cards": ["latency-model", "empty", "--output=a.json"],
        "the server": ["party", "--role=server", "--rendezvous=tcp://localhost:1", "--model=model.onnx"],
    }
    for words, (code, out, err) in zip(going_on, started(place, *going_on.values()), strict=True):
        assert code == 130 and out == "" and words in err.splitlines()[0], (words, code, err)
