"""The table and its JSON: hand arithmetic on a small network, the published totals on the published networks."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from rich.console import Console

from pi_bench import count, count_table, counting
from pi_bench.cost import Cost
from pi_bench.model import graph
from pi_bench.model.operations import Model
from pi_bench.protocols import registry
from pi_bench.protocols.settings import PROTOCOL_NAMES

MASK = np.arange(2 * 3 * 3).reshape(2, 3, 3) % 3 == 0


def small_nodes(pool: str) -> list:
    """conv 2 x (1, 2, 2) without padding, a partial ReLU, one that keeps nothing, pool, matrix 2 -> 3 with bias."""
    make = helper.make_node
    return [
        make("Conv", ["x", "w"], ["c"], "conv"),
        make("Relu", ["c"], ["r"], "relu1"),
        make("Where", ["m", "r", "c"], ["a"], "where"),
        make("Relu", ["a"], ["s"], "relu2"),
        make("Where", ["none", "s", "a"], ["b"], "where2"),
        make(pool, ["b"], ["p"], "pool"),
        make("Flatten", ["p"], ["f"], "flat"),
        make("Gemm", ["f", "u", "v"], ["y"], "fc"),
    ]


CONSTANTS = {
    "w": np.ones((2, 1, 2, 2), np.float32),
    "m": MASK,
    "none": np.zeros((2, 3, 3), bool),
    "u": np.ones((2, 3), np.float32),
    "v": np.ones(3, np.float32),
}


@pytest.fixture
def path(make_onnx: Callable[..., Path]) -> Path:
    return make_onnx(small_nodes("GlobalAveragePool"), CONSTANTS, (1, 4, 4))


def stub(model: Model) -> dict[str, dict[str, Cost]]:
    """One protocol in which the client sends more in all, though not in every layer."""
    layers = ["input", *(operation.name for operation in model.architecture.operations), "output"]
    costs = {layer: Cost() for layer in layers}
    costs |= {"conv": Cost(1, 100, 2000), "relu1": Cost(9, 400, 300), "output": Cost(1, 30, 0)}
    return {"stub": costs}


def test_by_hand(path: Path) -> None:
    model = graph.load(path)
    rows = counting.count(model, stub(model))
    found = [(row.name, row.op, row.shape, row.parameters, row.macs, row.relu_kept, row.relu_total) for row in rows]
    assert found == [
        ("input", "Input", (1, 4, 4), 0, 0, 0, 0),
        ("conv", "Conv", (2, 3, 3), 8, 2 * 9 * 4, 0, 0),
        ("relu1", "ReLU", (2, 3, 3), 0, 0, 6, 18),
        ("relu2", "ReLU", (2, 3, 3), 0, 0, 0, 18),
        ("pool", "AveragePool", (2, 1, 1), 0, 0, 0, 0),
        ("flat", "Reshape", (2,), 0, 0, 0, 0),
        ("fc", "Linear", (3,), 6 + 3, 6, 0, 0),
        ("output", "Output", (3,), 0, 0, 0, 0),
    ]
    total = counting.total(rows)
    assert (total.parameters, total.macs, total.relu_kept, total.relu_total) == (17, 78, 6, 36)
    assert total.costs == {"stub": Cost(11, 530, 2300)}


def cells(model: Model, protocols: list[str], costs: dict[str, dict[str, Cost]]) -> dict[str, list[str]]:
    """The printed table: layer -> what stands right of it."""
    console = Console(width=140)
    with console.capture() as capture:
        console.print(count_table.table(counting.count(model, costs), protocols))
    return {words[0]: words[1:] for line in capture.get().splitlines() if (words := line.split())}


def test_table(path: Path) -> None:
    """Bytes are the client's in every row, so the column sums to its total."""
    model = graph.load(path)
    found = cells(model, ["stub"], stub(model))
    assert found["conv"] == ["Conv", "2x3x3", "8", "72", "1", "2.00", "kB"]
    assert found["relu1"] == ["ReLU", "2x3x3", "6", "18", "9", "300", "B"]
    assert found["relu2"] == ["ReLU", "2x3x3", "0", "18"]
    assert found["output"] == ["Output", "3", "1"]
    assert found["total"] == ["17", "78", "6", "36", "11", "2.30", "kB"]


def test_command(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the costs of the protocols there are."""
    assert count.main([str(path)]) == 0
    text = capsys.readouterr().out
    assert "Scalar ReLUs per image" in text
    assert "Not understood" not in text
    total = next(line.split() for line in text.splitlines() if line.split()[:1] == ["total"])
    assert total[1:5] == ["17", "78", "6", "36"]
    assert all(name in text for name in PROTOCOL_NAMES)


@pytest.mark.parametrize("batch", [1, 3])
def test_json(path: Path, batch: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert count.main([str(path), "--json", "--batch", str(batch)]) == 0
    found = json.loads(capsys.readouterr().out)
    model = graph.load(path)
    settings = counting.settings_for(model, count.CountConfig(batch=batch))
    assert [layer["name"] for layer in found["layers"]] == list(registry.costs(model.architecture, settings[0]))
    assert found["batch"] == batch
    assert found["not_understood"] == []
    assert [each.protocol for each in settings] == list(PROTOCOL_NAMES)
    assert [layer["bits"] for layer in found["layers"] if layer["relu_kept"]] == [settings[0].bits_of("relu1")]
    for each in settings:
        name, expected = each.protocol, registry.costs(model.architecture, each)
        assert [Cost(**layer["costs"][name]) for layer in found["layers"]] == list(expected.values())
        assert Cost(**found["total"]["costs"][name]) == sum(expected.values(), Cost())
    assert (found["total"]["relu_kept"], found["total"]["relu_total"]) == (6, 36)


def test_comparison_bits_are_given_or_chosen(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Larger images need more of them, and each is 16 bytes of key for a kept ReLU, at either party."""

    def counted(*flags: str) -> tuple[int, int]:
        assert count.main([str(path), "--json", "--protocol=one-trip", *flags]) == 0
        (layer,) = (each for each in json.loads(capsys.readouterr().out)["layers"] if each["relu_kept"])
        return layer["bits"], layer["costs"]["one-trip"]["dealer_to_client_bytes"]

    for name, scale in (("dark", 0.25), ("bright", 1.0)):
        np.savez(tmp_path / f"{name}.npz", images=np.full((2, 1, 4, 4), scale, np.float32))
    dark, bright = (counted(f"--calibration={tmp_path / name}.npz") for name in ("dark", "bright"))
    assert bright[0] == dark[0] + 2 and bright[1] == dark[1] + 2 * 16 * 6
    assert counted("--comparison-bits=30") == (30, bright[1] + (30 - bright[0]) * 16 * 6)


def test_what_is_not_understood(make_onnx: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """It is listed by name and reason; no protocol's cost is told; the rest is counted."""
    path = make_onnx(small_nodes("GlobalMaxPool"), CONSTANTS, (1, 4, 4))
    assert count.main([str(path)]) == 0
    text = capsys.readouterr().out
    assert "  pool (GlobalMaxPool): it has no secure counterpart here" in text
    found = {words[0]: words[1:] for line in text.partition("Scalar")[0].splitlines() if (words := line.split())}
    assert found["pool"] == ["GlobalMaxPool", "2x1x1", *["-"] * 9]
    assert found["total"] == ["17", "78", "6", "36", *["-"] * 9]
    assert count.main([str(path), "--json"]) == 0
    (unknown,) = json.loads(capsys.readouterr().out)["not_understood"]
    assert (unknown["name"], unknown["op"]) == ("pool", "GlobalMaxPool")


def test_each_mode_is_counted_as_its_own_file(make_student: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The first one without --mode; it is said which one, as it is of a file that holds one mode and names it."""
    both, found = make_student(mode="both"), []
    for flags in ([], ["--mode", "normal"], ["--mode=adversarial"]):
        assert count.main([str(both), "--json", *flags]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert [one.pop("mode") for one in found] == ["normal", "normal", "adversarial"]
    for mode, one in zip(("normal", "normal", "adversarial"), found, strict=True):
        assert count.main([str(make_student(mode=mode)), "--json"]) == 0
        alone = json.loads(capsys.readouterr().out)
        assert alone.pop("mode") == mode
        assert one == alone
    assert count.main([str(both)]) == 0
    assert "student.onnx, mode normal" in capsys.readouterr().out


def test_modes_that_there_are_not(make_student: Callable[..., Path], path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for model, words in (
        (make_student(mode="both"), "has no mode 'robust'; choose one of normal, adversarial"),
        (path, "leave out --mode"),
    ):
        assert count.main([str(model), "--mode", "robust"]) == 2
        assert words in capsys.readouterr().err


def test_bad_files_and_flags(tmp_path: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"hello")
    for arguments, words in (
        ([str(bad)], "truncated or not an ONNX file"),
        ([str(tmp_path / "none.onnx")], "No such file"),
        ([str(path), "--batch", "0"], "at least 1"),
    ):
        assert count.main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.splitlines()[-1].startswith("error: ") and words in captured.err


@pytest.mark.parametrize(
    ("name", "width", "side", "relus"),
    [
        ("resnet18", 64, 32, 557_056),  # RLNet, Table 1: 557 k
        ("resnet34", 64, 32, 966_656),  # 967 k
        ("wrn22-8", 128, 32, 1_392_640),  # 1393 k
        ("resnet18", 64, 64, 2_228_224),  # Tiny-ImageNet: 2228 k
    ],
)
def test_published_totals(
    name: str, width: int, side: int, relus: int, export_torch: Callable[..., None], tmp_path: Path
) -> None:
    """The networks in full size. With torch's old exporter, which is faster."""
    from rlnet.models import NetworkConfig, build

    network = build(NetworkConfig(name, width, "single"), 10, (0.5,) * 3, (0.5,) * 3, 0)
    export_torch(network, (3, side, side), tmp_path / "a.onnx", dynamo=False)
    total = counting.total(counting.count(graph.load(tmp_path / "a.onnx"), {}))
    assert (total.relu_kept, total.relu_total) == (relus, relus)


def test_a_student_keeps_what_its_masks_keep(make_student: Callable[..., Path], tiny_network: Callable) -> None:
    from masks import count_kept, get_masks

    masks = get_masks(tiny_network("resnet18", "dual", 0.3))
    model = graph.load(make_student("resnet18", 0.3))
    total = counting.total(counting.count(model, {}))
    stem = 4 * 8 * 8
    assert total.relu_kept == stem + count_kept(masks)
    assert total.relu_total == stem + sum(mask.numel() for mask in masks.values())
    found = [relu.mask for relu in model.architecture.relus[1:]]
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(found, masks.values(), strict=True))
