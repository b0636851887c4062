"""Each operator computes what onnxruntime computes, in as few operations as it takes; also older opsets and other floats."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pi_bench.model import graph, plain
from pi_bench.model.operations import Architecture, Model

from .nodes import FLAT, NORM, SHAPE, T4, W1, W3, MakeOnnx, kinds, node, random

RunOnnx = Callable[..., np.ndarray]
R = np.random.default_rng(0)
S4 = random(4, 1, 1)
GEMM = random(4 * 7 * 6, 5)


def check(path: Path, run_onnx: RunOnnx) -> Model:
    """Lowers a file completely and compares its output with onnxruntime's."""
    model = graph.load(path)
    graph.refuse_unknown(model)
    free = onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0].dim_value or 4
    images = R.normal(size=(free, *model.architecture.input_shape)).astype(np.float32)
    expected = run_onnx(path, images)
    found = plain.logits(model, images)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))
    assert Architecture.from_json(model.architecture.to_json()) == model.architecture
    return model


Case = tuple[Sequence[onnx.NodeProto], Mapping[str, np.ndarray], list[str]]
CASES: dict[str, Case] = {
    "conv": ([node("Conv", "x w", "y")], {"w": W3}, ["Conv"]),
    "conv, all attributes": (
        [node("Conv", "x w b", "y", strides=[2, 1], pads=[1, 2, 3, 0], dilations=[2, 1], group=2, kernel_shape=[3, 3])],
        {"w": random(6, 2, 3, 3), "b": random(6)},
        ["Conv"],
    ),
    "conv, same upper": ([node("Conv", "x w", "y", strides=[2, 2], auto_pad="SAME_UPPER")], {"w": W3}, ["Conv"]),
    "conv, same lower": ([node("Conv", "x w", "y", strides=[3, 2], auto_pad="SAME_LOWER")], {"w": W3}, ["Conv"]),
    "conv, valid": ([node("Conv", "x w", "y", auto_pad="VALID")], {"w": W3}, ["Conv"]),
    "depthwise": ([node("Conv", "x w", "y", group=4)], {"w": random(4, 1, 3, 2)}, ["Conv"]),
    "gemm": ([FLAT, node("Gemm", "f w", "y")], {"w": GEMM}, ["Reshape", "Linear"]),
    "gemm, all attributes": (
        [FLAT, node("Gemm", "f w b", "y", alpha=0.5, beta=-2.0, transB=1)],
        {"w": GEMM.T, "b": random(1, 5)},
        ["Reshape", "Linear"],
    ),
    "gemm, one bias for all": ([FLAT, node("Gemm", "f w b", "y")], {"w": GEMM, "b": np.float32(3)}, ["Reshape", "Linear"]),
    "matmul and bias": (
        [FLAT, node("MatMul", "f w", "a"), node("Add", "b a", "y")],
        {"w": GEMM, "b": random(5)},
        ["Reshape", "Linear"],
    ),
    "weights computed": ([node("Mul", "w s", "v"), node("Conv", "x v", "y")], {"w": W1, "s": np.float32(0.5)}, ["Conv"]),
    "batch norm after": (
        [node("Conv", "x w c", "a", pads=[1] * 4), node("BatchNormalization", "a g b m v", "y", epsilon=0.01)],
        {"w": random(4, 4, 3, 3), "c": random(4), **NORM},
        ["Conv"],
    ),
    "batch norm alone": ([node("BatchNormalization", "x g b m v", "y")], NORM, ["Conv"]),
    "batch norm before": (
        [node("BatchNormalization", "x g b m v", "a"), node("Conv", "a w", "y", pads=[1, 2, 0, 1], strides=[2, 1])],
        {"w": W3, **NORM},
        ["Conv"],
    ),
    "batch norm before, groups": (
        [node("BatchNormalization", "x g b m v", "a"), node("Conv", "a w", "y", group=2, pads=[1, 1, 1, 1])],
        {"w": random(6, 2, 3, 3), **NORM},
        ["Conv"],
    ),
    "batch norm before two": (
        [
            node("BatchNormalization", "x g b m v", "a"),
            node("Conv", "a w", "p"),
            node("Conv", "a w", "q"),
            node("Add", "p q", "y"),
        ],
        {"w": W1, **NORM},
        ["Conv", "Conv", "Add"],
    ),
    "batch norm before a conv and a sum": (
        [node("BatchNormalization", "x g b m v", "a"), node("Conv", "a w", "p"), node("Add", "p a", "y")],
        {"w": W1, **NORM},
        ["Conv", "Conv", "Add"],
    ),
    "normalisation": (
        [node("Sub", "x t", "a"), node("Div", "a s", "b"), node("Conv", "b w", "y", pads=[1, 1, 1, 1])],
        {"w": W3, "s": S4, "t": T4},
        ["Conv"],
    ),
    "features": (
        [
            FLAT,
            node("MatMul", "f w", "a"),
            node("Relu", "a", "r"),
            node("BatchNormalization", "r g b m v", "n"),
            node("Gemm", "n u", "y"),
        ],
        {"w": GEMM[:, :4], "u": random(4, 3), **NORM},
        ["Reshape", "Linear", "ReLU", "Linear"],
    ),
    "scaled features": (
        [node("GlobalAveragePool", "x", "a"), node("Flatten", "a", "b"), node("Mul", "b s", "y")],
        {"s": random(4)},
        ["AveragePool", "Conv", "Reshape"],
    ),
    "scaled features of a sum": (
        [FLAT, node("Gemm", "f w", "a"), node("Relu", "a", "c"), node("Add", "a c", "d"), node("Mul", "d s", "y")],
        {"w": GEMM, "s": random(5)},
        ["Reshape", "Linear", "ReLU", "Add", "Reshape", "Conv", "Reshape"],
    ),
    "scale before relu": ([node("Mul", "x s", "a"), node("Relu", "a", "y")], {"s": np.float32(-2)}, ["Conv", "ReLU"]),
    "scale after relu": ([node("Relu", "x", "a"), node("Div", "a s", "y")], {"s": np.float32(-2)}, ["ReLU", "Conv"]),
    "bias": ([node("Relu", "x", "a"), node("Sub", "a t", "b"), node("Relu", "b", "y")], {"t": T4}, ["ReLU", "Bias", "ReLU"]),
    "bias of a map": ([node("Relu", "x", "a"), node("Add", "t a", "y")], {"t": random(*SHAPE)}, ["ReLU", "Bias"]),
    "bias of a map before a conv": (
        [node("Add", "t x", "a"), node("Conv", "a w", "y", pads=[0, 1, 2, 1], strides=[2, 2])],
        {"t": random(*SHAPE), "w": W3},
        ["Conv"],
    ),
    "bias after a conv": ([node("Conv", "x w", "a"), node("Sub", "t a", "y")], {"t": random(6, 5, 4), "w": W3}, ["Conv"]),
    "sum": ([node("Conv", "x w", "a"), node("Add", "x a", "y")], {"w": W1}, ["Conv", "Add"]),
    "difference": ([node("Conv", "x w", "a"), node("Sub", "x a", "y")], {"w": W1}, ["Conv", "Add"]),
    "twice": ([node("Add", "x x", "y")], {}, ["Conv"]),
    "negative": ([node("Neg", "x", "a"), node("Relu", "a", "y")], {}, ["Conv", "ReLU"]),
    "average pool": ([node("AveragePool", "x", "y", kernel_shape=[2, 3], strides=[2, 1])], {}, ["AveragePool"]),
    "average pool, padding counts": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 0, 1, 2], count_include_pad=1)],
        {},
        ["AveragePool"],
    ),
    "average pool, padding does not count": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 3], pads=[1, 0, 1, 2], strides=[2, 2])],
        {},
        ["AveragePool"],
    ),
    "average pool, ceil without effect": (
        [node("AveragePool", "x", "y", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)],
        {},
        ["AveragePool"],
    ),
    "mean, kept": ([node("ReduceMean", "x axes", "y")], {"axes": np.array([2, -1])}, ["AveragePool"]),
    "mean": ([node("ReduceMean", "x axes", "y", keepdims=0)], {"axes": np.array([-2, 3])}, ["AveragePool", "Reshape"]),
    "pad": ([node("Pad", "x pads zero", "y")], {"pads": np.array([0, 0, 1, 2, 0, 0, 3, 0]), "zero": np.float32(0)}, ["Pad"]),
    "pad channels": ([node("Pad", "x pads", "y")], {"pads": np.array([0, 1, 0, 0, 0, 2, 3, 0])}, ["Pad"]),
    "first channels": (
        [node("Slice", "x zero one axis", "y")],
        {"zero": np.array([0]), "one": np.array([1]), "axis": np.array([1])},
        ["Slice"],
    ),
    "a block": (
        [node("Slice", "x starts ends axes", "y")],
        {"starts": np.array([1, -2, 0]), "ends": np.array([2**62, 9, -1]), "axes": np.array([2, -1, 1])},
        ["Slice"],
    ),
    "everything": (
        [node("Slice", "x starts ends", "a"), node("Relu", "a", "y")],
        {"starts": np.zeros(4, int), "ends": np.full(4, 99)},
        ["ReLU"],
    ),
    "pad, axes": ([node("Pad", "x pads _ axes", "y")], {"pads": np.array([1, 2]), "axes": np.array([-1])}, ["Pad"]),
    "concat": (
        [node("Conv", "x w", "a"), node("Concat", "x a x", "y", axis=1)],
        {"w": W1},
        ["Conv", "Concat"],
    ),
    "concat of features": (
        [FLAT, node("Gemm", "f w", "a"), node("Concat", "a f", "y", axis=-1)],
        {"w": GEMM},
        ["Reshape", "Linear", "Concat"],
    ),
    "reshape": ([node("Relu", "x", "a"), node("Reshape", "a s", "y")], {"s": np.array([0, 2, -1, 6])}, ["ReLU", "Reshape"]),
    "flatten as old exporters write it": (
        [
            node("Relu", "x", "a"),
            node("Shape", "a", "s"),
            node("Gather", "s zero", "n", axis=0),
            node("Unsqueeze", "n first", "nn"),
            node("Concat", "nn minus", "target", axis=0),
            node("Reshape", "a target", "y"),
        ],
        {"zero": np.array(0), "first": np.array([0]), "minus": np.array([-1])},
        ["ReLU", "Reshape"],
    ),
    "nothing": (
        [
            node("Identity", "x", "a"),
            node("Dropout", "a ratio no", "b"),
            node("Cast", "b", "c", to=TensorProto.DOUBLE),
            node("Cast", "c", "d", to=TensorProto.FLOAT),
            node("Unsqueeze", "d one", "e"),
            node("Squeeze", "e one", "g"),
            node("Pad", "g pads", "h"),
            node("Relu", "h", "y"),
        ],
        {"ratio": np.float32(0.5), "no": np.array(False), "one": np.array([1]), "pads": np.zeros(8, np.int64)},
        ["ReLU"],
    ),
    "a relu that two read": (
        [node("Relu", "x", "r"), node("Flatten", "r", "f"), node("Gemm", "f w", "a"), node("GlobalAveragePool", "r", "b")]
        + [node("Flatten", "b", "c"), node("Concat", "a c", "y", axis=1)],
        {"w": GEMM},
        ["ReLU", "Reshape", "Linear", "AveragePool", "Reshape", "Concat"],
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("batch", ["batch", 1, 2])
def test_operators(name: str, batch: int | str, make_onnx: MakeOnnx, run_onnx: RunOnnx) -> None:
    nodes, constants, expected = CASES[name]
    model = check(make_onnx(nodes, constants, SHAPE, batch), run_onnx)
    assert kinds(model) == expected


OLD_CASES: dict[str, tuple[int, Case]] = {
    "mean, axes attribute": (13, ([node("ReduceMean", "x", "y", axes=[2, 3], keepdims=0)], {}, ["AveragePool", "Reshape"])),
    "pad, attribute": (9, ([node("Pad", "x", "y", pads=[0, 0, 1, 1, 0, 0, 0, 2], value=0.0)], {}, ["Pad"])),
    "squeeze": (
        11,
        ([node("GlobalAveragePool", "x", "a"), node("Squeeze", "a", "y", axes=[2, 3])], {}, ["AveragePool", "Reshape"]),
    ),
    "slice": (9, ([node("Slice", "x", "a", starts=[0], ends=[9], axes=[1]), node("Relu", "a", "y")], {}, ["ReLU"])),
    "dropout": (10, ([node("Dropout", "x", "a", ratio=0.3), node("Relu", "a", "y")], {}, ["ReLU"])),
    "batch norm": (9, ([node("BatchNormalization", "x g b m v", "y")], NORM, ["Conv"])),
}


@pytest.mark.parametrize("name", OLD_CASES)
def test_operators_of_older_opsets(name: str, make_onnx: MakeOnnx, run_onnx: RunOnnx) -> None:
    opset, (nodes, constants, expected) = OLD_CASES[name]
    assert kinds(check(make_onnx(nodes, constants, SHAPE, opset=opset), run_onnx)) == expected


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_other_float_types(kind: type, make_onnx: MakeOnnx) -> None:
    """The whole network in another type; weights become float64."""
    weight = W3.astype(kind)
    path = make_onnx([node("Conv", "x w", "y")], {"w": weight}, SHAPE)
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    path.write_bytes(model.SerializeToString())
    held = graph.load(path).weights["y"].weight
    assert held.dtype == np.float64
    np.testing.assert_array_equal(held, weight)
