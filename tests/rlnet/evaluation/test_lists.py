"""Lists as people write them, in Python, on the command line and in YAML."""

from pathlib import Path
from typing import Any

import pytest

from rlnet.attacks import Pixels
from rlnet.evaluate import main
from rlnet.evaluation.config import FullConfig
from rlnet.lists import Distances, Names, written


@pytest.mark.parametrize("value", ["a,b", "a, b", "[a, b]", " [a,b] ", "['a', \"b\"]", ("a", "b"), ["a", " b "], "a,b,"])
def test_names(value: Any) -> None:
    assert Names(value) == ("a", "b")


@pytest.mark.parametrize("value", ["none", "", "[]", (), [], "[none]", ("none",)])
def test_no_names(value: Any) -> None:
    assert Names(value) == () and Distances(value) == ()
    assert written(Names(value)) == "none"


def test_names_keep_their_order_and_may_be_chains() -> None:
    assert Names("pgd-20+square,fgsm") == ("pgd-20+square", "fgsm")


@pytest.mark.parametrize("value", ["a,b,a", ["a", "a"], "a, a"])
def test_a_name_twice(value: Any) -> None:
    with pytest.raises(ValueError, match="names something twice; name each once"):
        Names(value)


@pytest.mark.parametrize("kind", [Names, Distances])
@pytest.mark.parametrize("value", [5, None, False])
def test_no_list(kind: type, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{value!r} is no list; write it with commas"):
        kind(value)


def test_distances_are_sorted_and_keep_how_they_are_written() -> None:
    found = Distances("32/255,0.01,8/255")
    assert [str(distance) for distance in found] == ["0.01", "8/255", "32/255"]
    assert found == (Pixels("0.01"), Pixels("8/255"), Pixels("32/255"))
    assert Distances(found) == found and Distances([0, 1]) == (0, 1)


@pytest.mark.parametrize("value", ["8", "8/255,256/255", "-1/255"])
def test_distances_outside_of_images(value: str) -> None:
    with pytest.raises(ValueError, match=r"a distance between images in \[0, 1\] lies in \[0, 1\], like 8/255"):
        Distances(value)


def test_a_distance_that_is_no_number() -> None:
    with pytest.raises(ValueError, match=r"'eight' is not a distance in .* pixels; write it like 8/255 or 0.03"):
        Distances("eight")


@pytest.mark.parametrize("make", [Names, Distances])
def test_what_is_written_is_read_back(make: type) -> None:
    value = make("1/255,8/255")
    assert make(written(value)) == value


def test_settings_take_any_kind_of_list() -> None:
    written_out = FullConfig(attacks="fgsm,pgd-2", corruptions="none", curve="2/255")
    assert written_out == FullConfig(attacks=["fgsm", "pgd-2"], corruptions=(), curve=(Pixels("2/255"),))


def printed_config(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--print_config"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "lines"),
    [
        (
            [],
            ["attacks: pgd-7,pgd-20,fgsm,apgd-ce", "corruptions: benchmark", "curve: 2/255,8/255,32/255,128/255", "eps: null"],
        ),
        (
            ["--attacks", "[fgsm, pgd-20+square]", "--corruptions=fog,snow", "--curve=8/255,2/255", "--eps=4/255"],
            ["attacks: fgsm,pgd-20+square", "corruptions: fog,snow", "curve: 2/255,8/255", "eps: 4/255"],
        ),
        (
            ["--attacks=none", "--corruptions=", "--curve=none", "--mode=auto", "--clean-loss=0.05"],
            ["attacks: none", "corruptions: none", "curve: none", "mode: auto", "clean_loss: 0.05"],
        ),
    ],
)
def test_the_printed_configuration_is_read_back(
    flags: list[str], lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = printed_config(["X", *flags], capsys)
    assert set(lines) <= set(printed.splitlines())
    file = tmp_path / "evaluation.yaml"
    file.write_text("".join(line for line in printed.splitlines(keepends=True) if not line.startswith("path:")))
    assert printed_config(["X", f"--config={file}"], capsys) == printed


def test_yaml_may_have_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "evaluation.yaml"
    file.write_text("attacks: [fgsm, pgd-20]\ncorruptions: []\ncurve: [8/255, 2/255]\n")
    printed = printed_config(["X", f"--config={file}"], capsys).splitlines()
    assert {"attacks: fgsm,pgd-20", "corruptions: none", "curve: 2/255,8/255"} <= set(printed)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--attacks=fgsm,fgsm", "names something twice"),
        ("--attacks=pgd20", "did you mean pgd-20"),
        ("--curve=2", "like 8/255"),
        ("--corruptions=fogg", "did you mean fog"),
        ("--mode=automatic", "automatic"),
        ("--score=certainty", "certainty"),
        ("--limit=0", "limit is 0; give at least 1 image"),
        ("--attack=fgsm", "attack"),
    ],
)
def test_the_command_refuses_in_one_line(flag: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["X", flag]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line
