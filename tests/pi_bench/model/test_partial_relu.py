"""Partial ReLUs as people write them: each pattern becomes one ReLU with its mask, and computes what onnxruntime computes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from pi_bench.model import graph, plain
from pi_bench.model.operations import Addition, Model, ReLU, Unknown

from .nodes import node

MakeOnnx = Callable[..., Path]
RunOnnx = Callable[..., np.ndarray]
Pattern = tuple[Sequence[onnx.NodeProto], Mapping[str, np.ndarray]]
SHAPE = (2, 3, 4)
MASK = np.random.default_rng(1).random(SHAPE) < 0.4
BY_CHANNEL = np.broadcast_to(np.array([True, False])[:, None, None], SHAPE)
RELU = node("Relu", "x", "r")


def patterns(mask: np.ndarray) -> dict[str, Pattern]:
    """Ways to write the partial ReLU y of x, with nodes before and after whose batch dimension is not known."""
    m, n, one = mask.astype(np.float32), 1 - mask.astype(np.float32), np.float32(1)
    floor = np.where(mask, 0, -np.inf).astype(np.float32)
    kept = np.flatnonzero(mask)
    flat, back = node("Flatten", "x", "f"), node("Reshape", "s shape", "y")
    shape = np.array([-1, *SHAPE])
    products = {"m": m, "n": n}
    return {
        "where": ([RELU, node("Where", "m r x", "y")], {"m": mask}),
        "where, mask with a batch": ([RELU, node("Where", "m r x", "y")], {"m": mask[None]}),
        "where, the other way": ([RELU, node("Where", "n x r", "y")], {"n": ~mask}),
        "where not": ([RELU, node("Not", "m", "n"), node("Where", "n x r", "y")], {"m": mask}),
        "where a limit is 0": (
            [node("Equal", "floor zero", "m"), RELU, node("Where", "m r x", "y")],
            {"floor": floor, "zero": np.float32(0)},
        ),
        "product": ([RELU, node("Mul", "m r", "a"), node("Mul", "n x", "b"), node("Add", "a b", "y")], products),
        "product, turned round": ([RELU, node("Mul", "x n", "b"), node("Mul", "r m", "a"), node("Add", "b a", "y")], products),
        "product, relu last": ([node("Mul", "n x", "b"), RELU, node("Mul", "m r", "a"), node("Add", "a b", "y")], products),
        "product with 1 - m": (
            [node("Sub", "one m", "n"), RELU, node("Mul", "m r", "a"), node("Mul", "n x", "b"), node("Add", "a b", "y")],
            {"m": m, "one": one},
        ),
        "product with x - m x": (
            [RELU, node("Mul", "m r", "a"), node("Mul", "m x", "b"), node("Sub", "x b", "c"), node("Add", "a c", "y")],
            products,
        ),
        "product inside the relu": (
            [node("Mul", "m x", "a"), node("Relu", "a", "r"), node("Mul", "n x", "b"), node("Add", "r b", "y")],
            products,
        ),
        "difference": ([RELU, node("Sub", "r x", "d"), node("Mul", "m d", "a"), node("Add", "x a", "y")], {"m": m}),
        "gather and scatter nd": (
            [
                flat,
                node("Transpose", "f", "t", perm=[1, 0]),
                node("GatherND", "t rows", "g"),
                node("Relu", "g", "r"),
                node("ScatterND", "t rows r", "u"),
                node("Transpose", "u", "s", perm=[1, 0]),
                back,
            ],
            {"rows": kept[:, None], "shape": shape},
        ),
        "gather and scatter elements": (
            [
                flat,
                node("Shape", "f", "batch", start=0, end=1),
                node("Concat", "batch count", "wide", axis=0),
                node("Expand", "kept wide", "i"),
                node("GatherElements", "f i", "g", axis=1),
                node("Relu", "g", "r"),
                node("ScatterElements", "f i r", "s", axis=1),
                back,
            ],
            {"kept": kept[None], "count": np.array([len(kept)]), "shape": shape},
        ),
        "gather, then where it is scattered": (
            [
                flat,
                node("Gather", "f kept", "g", axis=1),
                node("Relu", "g", "r"),
                node("Transpose", "r", "rt", perm=[1, 0]),
                node("Transpose", "f", "t", perm=[1, 0]),
                node("ScatterND", "t rows rt", "u"),
                node("Transpose", "u", "s", perm=[1, 0]),
                back,
            ],
            {"kept": kept, "rows": kept[:, None], "shape": shape},
        ),
    }


def check(model: Model, path: Path, run_onnx: RunOnnx) -> None:
    images = np.random.default_rng(2).normal(size=(4, *SHAPE)).astype(np.float32)
    np.testing.assert_allclose(plain.logits(model, images), run_onnx(path, images), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "mask", [MASK, BY_CHANNEL, np.ones(SHAPE, bool), np.zeros(SHAPE, bool)], ids=["some", "channel", "all", "no"]
)
@pytest.mark.parametrize("name", patterns(MASK))
def test_every_pattern_is_one_relu(name: str, mask: np.ndarray, make_onnx: MakeOnnx, run_onnx: RunOnnx) -> None:
    nodes, constants = patterns(mask)[name]
    path = make_onnx(nodes, constants, SHAPE)
    model = graph.load(path)
    (relu,) = model.architecture.operations
    assert isinstance(relu, ReLU)
    assert (relu.name, relu.inputs, relu.shape) == ("r", ("x",), SHAPE)
    np.testing.assert_array_equal(relu.mask, mask)
    assert (relu.packed is None) == mask.all()
    check(model, path, run_onnx)


def test_a_mask_of_channels_by_joining_slices(make_onnx: MakeOnnx, run_onnx: RunOnnx) -> None:
    nodes = [
        node("Slice", "x zero one one", "g"),
        node("Relu", "g", "r"),
        node("Slice", "x one many one", "h"),
        node("Concat", "r h", "y", axis=1),
    ]
    path = make_onnx(nodes, {"zero": np.array([0]), "one": np.array([1]), "many": np.array([2**62])}, SHAPE)
    model = graph.load(path)
    (relu,) = model.architecture.operations
    np.testing.assert_array_equal(relu.mask, BY_CHANNEL)
    check(model, path, run_onnx)


@pytest.mark.parametrize("name", patterns(MASK))
def test_the_batch_may_be_fixed(name: str, make_onnx: MakeOnnx) -> None:
    nodes, constants = patterns(MASK)[name]
    (relu,) = graph.load(make_onnx(nodes, constants, SHAPE, batch=1)).architecture.operations
    np.testing.assert_array_equal(relu.mask, MASK)


def test_one_after_the_other(make_onnx: MakeOnnx, run_onnx: RunOnnx) -> None:
    """Of partial ReLUs the second takes the first's output."""
    nodes = [
        node("Relu", "x", "r"),
        node("Where", "m r x", "a"),
        node("Sub", "a t", "b"),
        node("Relu", "b", "r2"),
        node("Where", "n r2 b", "c"),
        node("Relu", "c", "r3"),
        node("Where", "m r3 c", "y"),
    ]
    path = make_onnx(nodes, {"m": MASK, "n": ~MASK, "t": np.float32(0.25)}, SHAPE)
    model = graph.load(path)
    assert [operation.op for operation in model.architecture.operations] == ["ReLU", "Bias", "ReLU", "ReLU"]
    assert [relu.kept for relu in model.architecture.relus] == [MASK.sum(), (~MASK).sum(), MASK.sum()]
    check(model, path, run_onnx)


def test_a_relu_with_another_reader_counts_as_a_whole_one(make_onnx: MakeOnnx, run_onnx: RunOnnx) -> None:
    nodes = [
        RELU,
        node("Where", "m r x", "a"),
        node("Conv", "r w", "b"),
        node("Add", "a b", "y"),
    ]
    path = make_onnx(nodes, {"m": MASK, "w": np.ones((2, 2, 1, 1), np.float32)}, SHAPE)
    model = graph.load(path)
    assert sorted(relu.kept for relu in model.architecture.relus) == [MASK.sum(), MASK.size]
    check(model, path, run_onnx)


def test_sums_that_look_like_patterns(make_onnx: MakeOnnx, run_onnx: RunOnnx) -> None:
    """x + relu(x) is a sum, and so is half of each."""
    path = make_onnx([RELU, node("Add", "x r", "y")], {}, SHAPE)
    model = graph.load(path)
    assert [type(operation) for operation in model.architecture.operations] == [ReLU, Addition]
    check(model, path, run_onnx)
    half = {"h": np.float32(0.5)}
    path = make_onnx([RELU, node("Mul", "r h", "a"), node("Mul", "x h", "b"), node("Add", "a b", "y")], half, SHAPE)
    model = graph.load(path)
    assert "Unknown" not in [operation.op for operation in model.architecture.operations]
    assert [relu.kept for relu in model.architecture.relus] == [MASK.size]
    check(model, path, run_onnx)


@pytest.mark.parametrize(
    ("nodes", "constants", "reason"),
    [
        (
            [RELU, node("Mul", "m r", "a"), node("Mul", "n x", "b"), node("Add", "a b", "y")],
            {"m": np.where(MASK, 0.7, 0.2).astype(np.float32), "n": np.where(MASK, 0.3, 0.8).astype(np.float32)},
            "multiplies the elements of a channel by different constants",
        ),
        (
            [RELU, node("Greater", "x zero", "m"), node("Where", "m r x", "y")],
            {"zero": np.float32(0.5)},
            "condition depends on the image",
        ),
        ([RELU, node("Mul", "r x", "y")], {}, "two values that both depend on the image"),
        ([node("Gather", "x i", "g", axis=2), node("Relu", "g", "y")], {"i": np.array([0, 2])}, "only some elements"),
        ([node("Transpose", "x", "g", perm=[0, 1, 3, 2]), node("Relu", "g", "y")], {}, "moves elements"),
        ([RELU, node("Where", "m r x", "y")], {"m": np.ones((5, 1, 1, 1, 1), bool)}, "more dimensions or elements"),
        ([RELU, node("Where", "m r x", "y")], {"m": np.stack([MASK, ~MASK, MASK])}, "constants differ from image to image"),
        ([RELU, node("Where", "m r x", "y")], {"m": np.ones((2, 4, 3), bool)}, "do not fit it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_partial_relu(
    nodes: Sequence[onnx.NodeProto], constants: Mapping[str, np.ndarray], reason: str, make_onnx: MakeOnnx
) -> None:
    """It is Unknown and says why; the ReLU in it is counted."""
    architecture = graph.load(make_onnx(nodes, constants, SHAPE)).architecture
    unknown = [operation for operation in architecture.operations if isinstance(operation, Unknown)]
    assert any(reason in operation.reason for operation in unknown), unknown
    assert len(architecture.relus) == 1
    assert all(relu.packed is None for relu in architecture.relus)


class Indexed(torch.nn.Module):
    """A partial ReLU by indices, as torch writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kept", torch.from_numpy(np.flatnonzero(MASK)))
        self.register_buffer("mask", torch.from_numpy(MASK))
        self.last = torch.nn.Linear(MASK.size, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x.flatten(1)
        y = flat.index_copy(1, self.kept, flat.index_select(1, self.kept).relu()).view(-1, *SHAPE)
        y = y - 0.5
        y = self.mask * y.relu() + ~self.mask * y
        return self.last(y.reshape(y.size(0), -1))


@pytest.mark.parametrize("dynamo", [False, True])
def test_what_torch_makes_of_indices(
    dynamo: bool, export_torch: Callable[..., None], run_onnx: RunOnnx, tmp_path: Path
) -> None:
    path = tmp_path / "indexed.onnx"
    export_torch(Indexed(), SHAPE, path, dynamo)
    model = graph.load(path)
    graph.refuse_unknown(model)
    for relu in model.architecture.relus:
        np.testing.assert_array_equal(relu.mask.reshape(SHAPE), MASK)
    assert len(model.architecture.relus) == 2
    check(model, path, run_onnx)
