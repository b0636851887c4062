"""YAML as people read it: what YAML 1.1 reads in another way than people do is refused, never computed with."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pi_bench.benchmark import main as pi_bench_main
from rlnet.cli import command
from rlnet.finetune import main
from shell import strict_yaml

READ_OTHERWISE = {
    "010": "8",
    "-017": "-15",
    "00": "0",
    "0x10": "16",
    "0b11": "3",
    "1:30": "90",
    "190:20:30": "685230",
    "1:30.5": "90.5",
    "0_7": "7",
}


@pytest.mark.parametrize(("text", "read"), READ_OTHERWISE.items())
def test_numbers_that_would_be_others_are_refused(text: str, read: str) -> None:
    with pytest.raises(yaml.YAMLError, match=f"{text} would be {read} by the rules of YAML 1.1") as caught:
        strict_yaml.load(f"a: 1\nb: [2, {text}]\n")
    assert caught.value.problem_mark.line == 1


@pytest.mark.parametrize("text", READ_OTHERWISE)
def test_in_quotes_they_are_words(text: str) -> None:
    assert strict_yaml.load(f"a: '{text}'") == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, float(text)) for text in ("1.5", "-0.25", ".5", "3.", "1e-3", "5e4", "2.5E+3", "0.05")),
        *((text, int(text)) for text in ("0", "7", "-12", "+3", "50000")),
        ("50_000", 50_000),
        (".inf", float("inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        *((text, text) for text in ("yes", "no", "on", "off", "No", "True story", "2026-11-28")),
        *((text, text) for text in ("50k", "36%", "8/255", "1e", "e5")),
    ],
)
def test_the_others_are_read_as_they_are_written(text: str, value: object) -> None:
    found = strict_yaml.load(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["lr: 1\nlr: 2", "a: {b: 1, c: 2, b: 3}", "- {x: 1, x: 1}"])
def test_a_key_stands_once(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="is there twice; leave one out"):
        strict_yaml.load(text)


def test_nothing_is_executed() -> None:
    with pytest.raises(yaml.YAMLError, match="constructor"):
        strict_yaml.load("!!python/object/apply:os.system ['true']")


@pytest.mark.parametrize("written", ["010", "1:30", "0x10"])
@pytest.mark.parametrize("key", ["relu_budget", "seed", "teacher: {epochs", "attack: {steps"])
def test_a_configuration_with_such_a_number_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, written: str
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(f"name: x\n{key}: {written}{'}' if '{' in key else ''}\n")
    assert main([f"--config={file}", f"--runs={tmp_path / 'runs'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(file) in line and f"{written} would be" in line
    assert not (tmp_path / "runs").exists()


@dataclass(frozen=True)
class Words:
    """Takes words.

    Args:
        filters: on or off, as words.
        budget: a number or a word.
        device: where.
    """

    filters: str = "auto"
    budget: str | int = "50k"
    device: str = "cpu"


def test_words_stay_words(tmp_path: Path) -> None:
    file, seen = tmp_path / "good.yaml", []
    file.write_text("filters: off\nbudget: 36%\n")
    assert command(seen.append, Words, [f"--config={file}"]) == 0
    assert command(seen.append, Words, ["--filters=on", "--budget=010"]) == 0
    assert [(config.filters, str(config.budget)) for config in seen] == [("off", "36%"), ("on", "010")]


@pytest.mark.parametrize("written", ["010", "1:30", "0x10"])
def test_so_is_one_of_a_secure_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(f"repeats: {written}\n")
    assert pi_bench_main(["model.onnx", f"--config={file}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(file) in line and f"{written} would be" in line
