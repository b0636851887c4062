"""The command line: flags, exit codes, and errors in one line."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from pi_bench.cli import command


@dataclass(frozen=True)
class Config:
    """Does something.

    Args:
        rtt_ms: a time.
        name: a word.
        all_layers: everything.
    """

    rtt_ms: float | None = None
    name: str = "lan-1g"
    all_layers: bool = False

    def __post_init__(self) -> None:
        if self.rtt_ms is not None and self.rtt_ms < 0:
            raise ValueError(f"rtt_ms is {self.rtt_ms}, at least 0")


def run(arguments: list[str], result: object = None) -> tuple[int, list]:
    seen = []

    def function(model: Path, config: Config) -> object:
        seen.append((model, config))
        if isinstance(result, BaseException):
            raise result
        return result

    return command(function, Config, arguments, {"model": (Path, "a file")}), seen


@pytest.mark.parametrize(
    ("arguments", "config"),
    [
        ([], Config()),
        (["--rtt-ms", "1.5"], Config(1.5)),
        (["--rtt_ms=1.5", "--name=wan-100m"], Config(1.5, "wan-100m")),
        (["--name", "a--b-c"], Config(name="a--b-c")),
        (["--all-layers"], Config(all_layers=True)),
        (["--all-layers", "--name", "x"], Config(name="x", all_layers=True)),
        (["--all-layers", "false"], Config()),
        (["--all_layers=true"], Config(all_layers=True)),
    ],
)
def test_flags(arguments: list[str], config: Config) -> None:
    assert run(["some-model.onnx", *arguments]) == (0, [(Path("some-model.onnx"), config)])
    assert run([*arguments, "some-model.onnx"]) == (0, [(Path("some-model.onnx"), config)])


def test_config_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("rtt_ms: 3\nname: x\n")
    assert run(["m", "--config", str(file), "--name", "y"]) == (0, [(Path("m"), Config(3.0, "y"))])
    for content, words in ((b"rtt: 3\n", "rtt"), (b"\xff\xfe\x00", str(file)), (b"rtt_ms: [1", str(file))):
        file.write_bytes(content)
        assert run(["m", "--config", str(file)]) == (2, [])
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (3, 3), (["cards"], 0)])
def test_exit_codes(result: object, code: int) -> None:
    assert run(["m"], result)[0] == code


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ValueError("no such thing; do that"), 2, "error: no such thing; do that\n"),
        (FileNotFoundError(2, "No such file or directory", "a.onnx"), 2, "error: a.onnx: No such file or directory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PI_BENCH_TRACEBACK", raising=False)
    assert run(["m"], error)[0] == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(words)
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["m", "--rtt-ms", "-1"], "rtt_ms is -1.0, at least 0"),
        (["m", "--rtt-ms", "fast"], "rtt_ms"),
        (["m", "--rtt", "1"], "--rtt"),
        (["m", "--unknown"], "--unknown"),
        ([], "model"),
        (["m", "n"], "n"),
    ],
)
def test_wrong_flags(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == (2, [])
    err = capsys.readouterr().err
    assert err.startswith("error: ") and words in err
    assert err.count("\n") == 1


def test_a_traceback_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PI_BENCH_TRACEBACK", "1")
    with pytest.raises(ValueError, match="here"):
        run(["m"], ValueError("here"))


def test_what_is_no_users_error_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(["m"], ZeroDivisionError())
