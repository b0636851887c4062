"""The main command on small networks: real processes, right answers, the card that other tools rely on, and what is refused."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from pi_bench.__main__ import main
from pi_bench.config.benchmark import BenchmarkConfig
from pi_bench.contenders import GivenImages, contenders, subjects_of
from pi_bench.inputs import Images

pytestmark = pytest.mark.usefixtures("forked")
QUICK = ("--repeats=3", "--warmups=1", "--images=4")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "images.npz"
    np.savez(path, images=rng.integers(0, 256, (6, 1, 8, 8), np.uint8), labels=rng.integers(0, 5, 6))
    return path


def cards(folder: Path) -> dict[tuple[str, str, str], dict]:
    """By the model's name, protocol and network."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return {(Path(card["model"]["path"]).stem, card["protocol"], card["network"]["name"]): card for card in found}


def test_a_card_has_all_that_others_rely_on(
    make_student: Callable[..., Path], run_onnx: Callable[..., np.ndarray], images: Path, tmp_path: Path
) -> None:
    student, out = make_student(), tmp_path / "out"
    assert main([str(student), *QUICK, f"--inputs={images}", "--precision-bits=16", f"--out={out}"]) == 0
    made = cards(out)
    ours, crypten = (made.pop(("student", protocol, "loopback")) for protocol in ("one-trip", "crypten"))
    assert made == {} and ours["online"]["rounds"] < crypten["online"]["rounds"]
    plain = run_onnx(student, np.load(images)["images"][:4].astype(np.float32) / 255).argmax(1)
    for card in (ours, crypten):
        check_card(card, plain == np.load(images)["labels"][:4])
    assert ours["correctness"]["out_of_range"] == 0 and ours["comparison"]["calibration_images"] == 2  # those not checked
    checked = np.load(images)["images"][:4].astype(np.float32) / 255
    assert ours["correctness"]["images_sha256"] == crypten["correctness"]["images_sha256"] == Images(checked).sha256
    assert set(ours["comparison"]["bits"]) == {site for site, found in ours["relu"]["sites"].items() if found["kept"]}
    assert (out / "picture.png").stat().st_size > 10_000 and "</html>" in (out / "page.html").read_text()


def check_card(card: dict, right: np.ndarray) -> None:
    """right: whether plaintext gives each label."""
    assert card["kind"] == "secure-inference" and card["provider"] == "dealer"
    assert card["network"] == {"name": "loopback", "rtt_ms": None, "mbit_per_s": None, "emulated": False}
    assert set(card["parties"]) == {"server", "client", "dealer"} and card["macs"] > 0
    latency, layers = card["online"]["latency_ms"], card["layers"]
    assert latency["n"] == 3 and latency["ci95"][0] <= latency["median"] <= latency["ci95"][1] <= latency["p90"] * 1.5
    assert math.isclose(sum(layer["ms"] for layer in layers), latency["median"])
    assert sum(layer["rounds"] for layer in layers) == card["online"]["rounds"]
    assert sum(layer["bytes_per_party"] for layer in layers) == card["online"]["bytes_per_party"]
    assert sum(layer["relu_kept"] for layer in layers) == card["relu"]["kept"] < card["relu"]["total"]
    assert all(layer["rounds"] == layer["predicted"]["rounds"] for layer in layers)
    assert card["offline"]["seconds"] > 0 and card["offline"]["bytes_per_party"] > 0
    assert card["offline"]["bytes"] == card["offline"]["predicted"] and set(card["offline"]["peak_bytes"]) == set(
        card["parties"]
    )
    found = card["correctness"]
    assert found["images"] == 4 and found["match_rate"] == 1.0 and found["max_abs_logit_error"] < 0.01
    assert found["wraps"] == found["wrapped_images"] == 0
    assert found["accuracy"]["plain"] == right.mean()


def test_several_at_once(make_student: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two networks, one under both protocols, on two emulated ones: a card each, of one run."""
    student, whole, out = make_student(), make_student(keep=None), tmp_path / "out"
    (tmp_path / "whole.onnx").symlink_to(whole)
    against = f"--against={tmp_path / 'whole.onnx'},{student}@crypten-plain"
    flags = ["--protocol=one-trip", "--network=loopback,lan,lan", f"--out={out}"]
    assert main([str(student), *QUICK, against, *flags]) == 0
    found = cards(out)
    assert {card["model"]["mode"] for card in found.values()} == {"normal"}  # as the files say
    subjects = (("student", "one-trip"), ("student", "crypten-plain"), ("whole", "one-trip"))
    assert set(found) == {(*subject, network) for subject in subjects for network in ("loopback", "lan")}
    assert len({card["date"] for card in found.values()}) == 1
    ours, plain = (found["student", protocol, "lan"]["online"] for protocol in ("one-trip", "crypten-plain"))
    assert ours["bytes_per_party"] < plain["bytes_per_party"] and ours["rounds"] < plain["rounds"]
    assert found["whole", "one-trip", "lan"]["relu"]["kept"] == found["whole", "one-trip", "lan"]["relu"]["total"]
    printed = capsys.readouterr().out
    assert "semi-honest" in printed and "whole.onnx" in printed


def test_inferences_prepared_ahead_lie_in_a_folder_until_they_are_used(
    make_student: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What they hold is said and in the card; nothing is left in the folder. Parties may have several threads."""
    dealt = tmp_path / "dealt"
    dealt.mkdir()
    flags = ["--protocol=one-trip", "--ahead=2", f"--ahead-folder={dealt}", "--threads=2", f"--out={tmp_path / 'out'}"]
    assert main([str(make_student()), "--repeats=1", "--warmups=0", "--images=2", *flags]) == 0
    (card,) = cards(tmp_path / "out").values()
    ahead = card["offline"]["ahead"]
    assert card["threads"] == 2 and card["correctness"]["match_rate"] == 1.0
    assert all(held["inferences"] == 2 and held["disk_bytes"] > held["memory_bytes"] > 0 for held in ahead.values())
    assert 2 * card["offline"]["bytes"]["dealer_to_client"] >= ahead["client"]["disk_bytes"]
    assert list(dealt.iterdir()) == []
    assert "held 2 inferences ahead" in " ".join(capsys.readouterr().err.split())


def test_networks_of_the_same_name_on_an_own_network(make_student: Callable[..., Path], tmp_path: Path) -> None:
    """Every student is called student.onnx: the cards tell them apart. One own value is enough for a network."""
    student, other = make_student(), make_student(keep=None)
    assert student.stem == other.stem
    flags = [*QUICK, "--protocol=one-trip", f"--against={other}", "--mbit-per-s=500", f"--out={tmp_path}"]
    assert main([str(student), *flags]) == 0
    names, found = zip(*((path.stem, json.loads(path.read_text())) for path in tmp_path.glob("*.json")), strict=True)
    assert len(found) == 2 and all(name.startswith("student-") and name.endswith("-custom") for name in names)
    assert {card["network"]["mbit_per_s"] for card in found} == {500.0}
    assert len({card["relu"]["kept"] for card in found}) == 2


def test_the_modes_of_one_file(
    make_student: Callable[..., Path],
    run_onnx: Callable[..., np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each gives its own answers.

    Labels are what onnxruntime says in mode adversarial, so the plain accuracy there is 1, and in the other mode less.
    """
    both, out = make_student(mode="both"), tmp_path / "out"
    images = np.random.default_rng(0).random((6, 1, 8, 8), np.float32)
    normal, adversarial = (run_onnx(both, images, number).argmax(1) for number in (0, 1))
    np.savez(tmp_path / "images.npz", images=images, labels=adversarial)
    flags = [f"--inputs={tmp_path / 'images.npz'}", "--repeats=1", "--warmups=0", f"--out={out}"]
    flags += ["--protocol=one-trip", "--precision-bits=16"]
    assert main([str(both), "--mode=normal,adversarial", *flags]) == 0
    written = {path.stem: json.loads(path.read_text()) for path in out.glob("*.json")}
    found = {card["model"]["mode"]: card["correctness"] for card in written.values()}
    assert set(found) == {"normal", "adversarial"} and (normal != adversarial).any()
    for mode, checked in found.items():
        assert checked["match_rate"] == 1.0 and checked["max_abs_logit_error"] < 0.01
        expected = 1.0 if mode == "adversarial" else np.mean(normal == adversarial)
        assert checked["accuracy"]["plain"] == checked["accuracy"]["encrypted"] == expected
    assert set(written) == {f"student-{mode}-one-trip-loopback" for mode in found}
    assert "(adversarial)" in capsys.readouterr().out


def test_modes_and_other_networks(make_student: Callable[..., Path]) -> None:
    """Every file that holds several modes is run in each that is asked for, once; one that holds one runs as it is."""
    both, alone = make_student(mode="both"), make_student()
    for mode, modes in ((None, ["normal"]), ("adversarial, normal,adversarial", ["adversarial", "normal"])):
        config = BenchmarkConfig(f"{both}@crypten-plain,{alone}", mode)
        found = contenders(subjects_of(both, config), GivenImages(count=1))
        assert [(one.path, one.model.mode, one.settings.protocol) for one in found] == [
            *((both, name, protocol) for name in modes for protocol in ("one-trip", "crypten")),
            *((both, name, "crypten-plain") for name in modes),
            *((alone, "normal", protocol) for protocol in ("one-trip", "crypten")),
        ]


def test_a_file_of_modes_takes_its_first_one(
    make_student: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(make_student(mode="both")), *QUICK, "--protocol=one-trip", f"--out={tmp_path}"]) == 0
    (card,) = cards(tmp_path).values()
    assert card["model"]["mode"] == "normal"
    assert "student.onnx in mode normal keeps" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("exported", "flags", "words"),
    [
        ("normal", ["--mode=adversarial"], "no input that selects a mode"),
        ("both", ["--mode=robust"], "has no mode 'robust'; choose one of normal, adversarial"),
        ("both", ["--mode=normal,"], "has no mode ''"),
        ("both", ["--mode=0"], "has no mode '0'"),
    ],
)
def test_modes_that_there_are_not(
    exported: str,
    flags: Sequence[str],
    words: str,
    make_student: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(make_student(mode=exported)), *flags]) == 2
    assert words in capsys.readouterr().err


def test_the_same_network_twice(make_student: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(make_student()), f"--against={make_student()}"]) == 2
    assert "given twice" in capsys.readouterr().err


def test_the_insecure_provider_has_to_be_asked_for_by_its_name(
    make_student: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--protocol=crypten-plain", "--provider=insecure-first-party", f"--out={tmp_path}"]
    assert main([str(make_student()), *QUICK, *flags]) == 0
    (card,) = cards(tmp_path).values()
    assert set(card["parties"]) == {"server", "client"} and card["offline"]["bytes_per_party"] == 0
    assert "INSECURE" in card["trust"] and "INSECURE" in capsys.readouterr().out


WRONG: dict[str, tuple[Sequence[str], str]] = {
    "protocol": (["--protocol=nobody"], "crypten-plain"),
    "provider of this protocol": (["--provider=insecure-first-party"], "needs a dealer"),
    "network": (["--network=moon"], "wan-100m"),
    "round-trip time": (["--rtt-ms=-3"], "--rtt-ms"),
    "a real network": (["--network=real"], "pi_bench party"),
    "two own networks": (["--network=lan,wan", "--rtt-ms=5"], "one own network"),
    "precision": (["--precision-bits=30"], "fixed-point range"),
    "batch": (["--batch=0"], "batch is 0"),
    "repeats": (["--repeats=0"], "repeats is 0"),
    "comparison bits": (["--comparison-bits=60"], "8 to 51"),
    "two ways to choose them": (["--comparison-bits=30", "--calibration=images.npz"], "leave out"),
    "threads": (["--threads=0"], "threads is 0"),
    "ahead": (["--ahead=-1"], "ahead is -1"),
    "a folder there is not": (["--ahead-folder=nowhere"], "which is no folder"),
    "labels alone": (["--labels=labels.txt"], "--inputs"),
    "against": (["--against=nowhere.onnx"], "nowhere.onnx"),
    "flag": (["--repeat=3"], "--repeat"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_user_can_put_right(
    name: str, make_student: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, words = WRONG[name]
    assert main([str(make_student()), f"--out={tmp_path / 'out'}", *flags]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and words in error
    assert not (tmp_path / "out").exists()


def test_images_of_another_shape(make_student: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "images.npz", images=np.zeros((2, 3, 9, 9), np.float32))
    assert main([str(make_student()), f"--inputs={tmp_path / 'images.npz'}"]) == 2
    assert "images.npz" in capsys.readouterr().err


def test_a_node_that_cannot_be_run_is_named(make_onnx: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = make_onnx([helper.make_node("Sigmoid", ["x"], ["y"], name="squash")])
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert "squash" in error and "Sigmoid" in error and "model.onnx" in error


def test_outputs_that_are_not_finite_are_no_answers(
    make_onnx: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said with the file, the mode and the image, before anything starts."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Conv", ["c", "w"], ["y"])]
    weight = np.full((1, 1, 1, 1), 1e200)
    path = make_onnx(nodes, {"w": weight}, (1, 1, 1), metadata={"rlnet.mode": "robust"})
    np.savez(tmp_path / "images.npz", images=np.array([0, 0, 1, 0], np.float32).reshape(4, 1, 1, 1))
    assert main([str(path), f"--inputs={tmp_path / 'images.npz'}", f"--out={tmp_path / 'out'}"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert all(words in error for words in ("model.onnx in mode robust", "image 2", "NaN or infinite"))
    assert not (tmp_path / "out").exists()


def test_labels_of_other_classes(make_student: Callable[..., Path], images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(images, images=np.load(images)["images"], labels=np.full(6, 5))
    assert main([str(make_student()), f"--inputs={images}"]) == 2
    assert "images.npz: there is a label 5, and the network has 5 classes, 0 to 4" in capsys.readouterr().err


def test_numbers_that_fixed_point_cannot_hold(make_onnx: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A weight of 2^32 times a pixel of 1, at 2 x 16 fractional bits, passes the range of 64 bits; that is said first."""
    weight = np.full((1, 2, 1, 1), 2.0**32, np.float32)
    path = make_onnx([helper.make_node("Conv", ["x", "w"], ["y"], name="huge")], {"w": weight})
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert "huge" in error and "precision" in error
