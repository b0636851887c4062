"""Lowering: each operator computes what onnxruntime computes, affine maps end where they cost nothing, nothing is guessed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pi_bench.model import graph, plain
from pi_bench.model.operations import Architecture, AveragePool, Bias, Conv, Linear, Model, Unknown

MakeOnnx = Callable[..., Path]
RunOnnx = Callable[..., np.ndarray]
SHAPE = (4, 7, 6)
R = np.random.default_rng(0)


def node(op: str, inputs: str, output: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, [name if name != "_" else "" for name in inputs.split()], [output], output, **attributes)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


W3, W1 = random(6, 4, 3, 3), random(4, 4, 1, 1)
S4, T4 = random(4, 1, 1), random(1, 4, 1, 1)
NORM = {"g": random(4), "b": random(4), "m": random(4), "v": np.abs(random(4)) + np.float32(0.1)}
FLAT = node("Flatten", "x", "f")
GEMM = random(4 * 7 * 6, 5)


def kinds(model: Model) -> list[str]:
    return [operation.op for operation in model.architecture.operations]


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


def test_shapes_parameters_and_macs_by_hand(make_onnx: MakeOnnx) -> None:
    nodes = [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Relu", "c", "r"),
        node("Flatten", "r", "f"),
        node("Gemm", "f u", "y"),
    ]
    model = graph.load(make_onnx(nodes, {"w": W3, "b": random(6), "u": random(6 * 4 * 3, 5)}, SHAPE))
    conv, relu, flat, gemm = model.architecture.operations
    assert isinstance(conv, Conv)
    assert (conv.shape, conv.weight_shape, conv.padding, conv.stride) == ((6, 4, 3), (6, 4, 3, 3), (1, 1, 1, 1), (2, 2))
    assert (conv.parameters, conv.macs) == (6 * 4 * 9 + 6, 6 * 4 * 3 * 4 * 9)
    assert (relu.shape, flat.shape) == ((6, 4, 3), (72,))
    assert isinstance(gemm, Linear)
    assert (gemm.shape, gemm.parameters, gemm.macs) == ((5,), 360, 360)
    assert [operation.inputs for operation in model.architecture.operations] == [("x",), ("c",), ("r",), ("f",)]


def test_a_bias_map_where_the_border_is_padded(make_onnx: MakeOnnx) -> None:
    """x + 1 padded with zeros is not x padded with zeros, plus 1: at a corner 4 of 9 weights see the shift."""
    nodes = [node("Add", "x one", "a"), node("Conv", "a w", "y", pads=[1, 1, 1, 1])]
    model = graph.load(make_onnx(nodes, {"one": np.float32(1), "w": np.ones((1, 1, 3, 3), np.float32)}, (1, 3, 3)))
    np.testing.assert_array_equal(model.weights["y"].bias, [[[4, 6, 4], [6, 9, 6], [4, 6, 4]]])
    assert model.architecture.output.parameters == 9 + 1
    nodes[1] = node("Conv", "a w", "y")
    model = graph.load(make_onnx(nodes, {"one": np.float32(1), "w": np.ones((1, 1, 3, 3), np.float32)}, (1, 3, 3)))
    assert model.weights["y"].bias.shape == (1, 1, 1)


def test_what_cannot_be_folded_is_depthwise(make_onnx: MakeOnnx) -> None:
    model = graph.load(make_onnx([node("BatchNormalization", "x g b m v", "a"), node("Relu", "a", "y")], NORM, SHAPE))
    norm = model.architecture.operations[0]
    assert (norm.name, norm.groups, norm.weight_shape, norm.parameters) == ("a", 4, (4, 1, 1, 1), 8)
    model = graph.load(make_onnx([node("Sub", "x t", "a"), node("Relu", "a", "y")], {"t": T4}, SHAPE))
    bias = model.architecture.operations[0]
    assert isinstance(bias, Bias)
    assert bias.parameters == 4
    np.testing.assert_array_equal(model.weights["a"].bias.ravel(), -T4.ravel())


def test_names_are_unique(make_onnx: MakeOnnx) -> None:
    """Also beside the input's, and what the tables call the ends of a run; without a name the output's is used."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], "x"),
        helper.make_node("Conv", ["a", "w"], ["b"], "input"),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Conv", ["c", "w"], ["d"], "c"),
        helper.make_node("Relu", ["d"], ["e"], "output"),
        helper.make_node("Conv", ["e", "w"], ["y"], "bad\x1b[1m"),
    ]
    names = [operation.name for operation in graph.load(make_onnx(nodes, {"w": W1}, SHAPE)).architecture.operations]
    assert names == ["x_2", "input_2", "c", "c_2", "output_2", "bad?[1m"]


def test_dead_nodes_are_left_out(make_onnx: MakeOnnx) -> None:
    nodes = [node("MaxPool", "x", "dead", kernel_shape=[2, 2]), node("Conv", "x w", "dead2"), node("Relu", "x", "y")]
    assert kinds(graph.load(make_onnx(nodes, {"w": W1}, SHAPE))) == ["ReLU"]


INNER = helper.make_graph([helper.make_node("Relu", ["a"], ["z"])], "inner", [], [helper.make_tensor_value_info("z", 1, None)])
UNKNOWN: dict[str, tuple[Sequence[onnx.NodeProto], Mapping[str, np.ndarray], str]] = {
    "MaxPool": ([node("MaxPool", "x", "y", kernel_shape=[2, 2])], {}, "no secure counterpart"),
    "Sigmoid": ([node("Sigmoid", "x", "y")], {}, "no secure counterpart"),
    "Clip": ([node("Clip", "x", "y")], {}, "no secure counterpart"),
    "own domain": ([helper.make_node("Magic", ["x"], ["y"], "y", domain="com.example")], {}, "not an operator of the ONNX"),
    "training batch norm": ([node("BatchNormalization", "x g b m v", "y", training_mode=1)], NORM, "statistics of the batch"),
    "training dropout": ([node("Dropout", "x r t", "y")], {"r": np.float32(0.5), "t": np.array(True)}, "at random"),
    "cut windows": ([node("AveragePool", "x", "y", kernel_shape=[2, 2], strides=[4, 4], ceil_mode=1)], {}, "ceil_mode"),
    "dilated pool": ([node("AveragePool", "x", "y", kernel_shape=[2, 2], dilations=[2, 2])], {}, "dense rectangles"),
    "mean of channels": ([node("ReduceMean", "x axes", "y")], {"axes": np.array([1])}, "not the mean over height and width"),
    "mean of everything": ([node("ReduceMean", "x", "y")], {}, "not the mean over height and width"),
    "pad with ones": (
        [node("Pad", "x pads one", "y")],
        {"pads": np.array([0, 0, 1, 1] * 2), "one": np.float32(1)},
        "something else than zeros",
    ),
    "reflect": ([node("Pad", "x pads", "y", mode="reflect")], {"pads": np.array([0, 0, 1, 1] * 2)}, "else than zeros"),
    "pad images": ([node("Pad", "x pads", "y")], {"pads": np.array([1, 0, 0, 0] * 2)}, "pads or cuts more"),
    "every other row": (
        [node("Slice", "x zero many axis step", "y")],
        {"zero": np.array([0]), "many": np.array([99]), "axis": np.array([2]), "step": np.array([2])},
        "other elements than a block",
    ),
    "nothing": (
        [node("Slice", "x two two axis", "y")],
        {"two": np.array([2]), "axis": np.array([2])},
        "it takes nothing",
    ),
    "crop": ([node("Pad", "x pads", "y")], {"pads": np.array([0, 0, -1, 0] * 2)}, "pads or cuts"),
    "concat of images": ([node("Concat", "x x", "y", axis=0)], {}, "joins images"),
    "transposed product": ([FLAT, node("Gemm", "f w", "y", transA=1)], {"w": random(1, 5)}, "transposes"),
    "product of values": ([node("Mul", "x x", "y")], {}, "two values that both depend on the image"),
    "weights from the image": ([node("Relu", "x", "w"), node("Conv", "x w", "y")], {}, "its weight depends on the image"),
    "1-d conv": (
        [node("Reshape", "x s", "a"), node("Conv", "a w", "y")],
        {"s": np.array([0, 4, 42]), "w": random(2, 4, 3)},
        "",
    ),
    "batches mixed": ([node("Reshape", "x s", "a"), node("Relu", "a", "y")], {"s": np.array([-1, 7, 6])}, "some elements"),
    "batch turned": ([node("Transpose", "x", "a", perm=[1, 0, 2, 3]), node("Relu", "a", "y")], {}, "some elements"),
    "division by 0": ([node("Div", "x z", "y")], {"z": np.float32(0)}, "come to NaN or infinity"),
    "negative variance": (
        [node("BatchNormalization", "x g b m v", "y")],
        {**NORM, "v": -np.ones(4, np.float32)},
        "come to NaN or infinity",
    ),
    "split": ([helper.make_node("Split", ["x"], ["a", "b"], "s", axis=1, num_outputs=2), node("Add", "a b", "y")], {}, ""),
    "a graph inside": (
        [node("Relu", "x", "a"), helper.make_node("If", ["c"], ["y"], "y", then_branch=INNER, else_branch=INNER)],
        {"c": np.array(True)},
        "a graph of its own inside",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_understood(name: str, make_onnx: MakeOnnx) -> None:
    nodes, constants, reason = UNKNOWN[name]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.example", 1)]
    model = graph.load(make_onnx(nodes, constants, SHAPE, opset_imports=opsets))
    unknown = [operation for operation in model.architecture.operations if isinstance(operation, Unknown)]
    assert any(reason in operation.reason for operation in unknown), unknown
    with pytest.raises(ValueError, match=f"cannot be run securely: '{unknown[0].name}'") as caught:
        graph.refuse_unknown(model)
    assert reason in str(caught.value)


def test_the_rest_of_the_network_is_understood(make_onnx: MakeOnnx) -> None:
    """The shape behind an unknown node comes from ONNX's own inference."""
    nodes = [
        node("Relu", "x", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "p w", "c"),
        node("Relu", "c", "s"),
        node("ReduceMean", "s axes", "y", keepdims=0),
    ]
    model = graph.load(make_onnx(nodes, {"w": W1, "axes": np.array([2, 3])}, SHAPE))
    assert kinds(model) == ["ReLU", "Unknown", "Conv", "ReLU", "AveragePool", "Reshape"]
    pool = model.architecture.operations[1]
    assert (pool.shape, pool.inputs, pool.onnx_op) == ((4, 3, 3), ("r",), "MaxPool")
    mean = model.architecture.operations[4]
    assert isinstance(mean, AveragePool)
    assert mean.kernel == (3, 3)


def test_a_graph_inside_depends_on_what_it_reads(make_onnx: MakeOnnx) -> None:
    nodes, constants, _ = UNKNOWN["a graph inside"]
    relu, unknown = graph.load(make_onnx(nodes, constants, SHAPE)).architecture.operations
    assert (relu.op, unknown.inputs) == ("ReLU", ("a",))


@pytest.mark.parametrize(
    ("nodes", "constants", "words"),
    [
        ([node("Div", "w z", "v"), node("Conv", "x v", "y")], {"w": W1, "z": np.float32(0)}, "'y' come to NaN or infinity"),
        ([node("Conv", "x w", "y", pads=[2**40] * 4)], {"w": W1}, "'y' gives a value of shape"),
        ([node("Identity", "x", "y")], {}, "does nothing with the image"),
        ([node("Neg", "c", "y")], {"c": np.ones(3, np.float32)}, "does not depend on the image"),
        (
            [node("Shape", "x", "s"), node("Gather", "s i", "n"), node("Cast", "n", "f", to=1), node("Div", "x f", "y")],
            {"i": np.array(0)},
            "computes with the batch size",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_networks_that_are_refused(nodes: Sequence, constants: Mapping, words: str, make_onnx: MakeOnnx) -> None:
    path = make_onnx(nodes, constants, SHAPE)
    with pytest.raises(ValueError, match=words) as caught:
        graph.load(path)
    assert str(caught.value).startswith(str(path))


BOMBS: dict[str, tuple[Sequence[onnx.NodeProto], Mapping[str, np.ndarray]]] = {
    "ConstantOfShape": ([node("ConstantOfShape", "s", "c"), node("Add", "x c", "y")], {"s": np.array([2**20, 2**20])}),
    "Expand": (
        [node("Expand", "c s", "e"), node("Neg", "e", "n"), node("Add", "x n", "y")],
        {"c": np.ones(1, np.float32), "s": np.array([2**40])},
    ),
    "Range": (
        [node("Range", "a b c", "r"), node("Cast", "r", "f", to=1), node("Add", "x f", "y")],
        {"a": np.array(0), "b": np.array(2**60), "c": np.array(1)},
    ),
    "outer product": (
        [node("Mul", "c d", "m"), node("Add", "x m", "y")],
        {"c": np.ones((1, 2**16), np.float32), "d": np.ones((2**16, 1), np.float32)},
    ),
    "doubling": (
        [node("Concat", f"c{i} c{i}", f"c{i + 1}", axis=0) for i in range(60)]
        + [node("Cast", "c60", "d", to=1), node("Add", "x d", "y")],
        {"c0": np.ones(4, np.uint8)},
    ),
    "gather": (
        [node("Gather", "c i", "g", axis=1), node("Add", "x g", "y")],
        {"c": np.ones((2**14, 1), np.float32), "i": np.zeros(2**14, np.int64)},
    ),
    "long chain": (
        [node("Relu", "x", "a0")]
        + [node("Add", f"a{i} x", f"a{i + 1}") for i in range(3000)]
        + [node("Identity", "a3000", "y")],
        {},
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_that_would_be_large(name: str, make_onnx: MakeOnnx) -> None:
    """Neither memory nor stack runs out: such constants are not understood."""
    model = graph.load(make_onnx(*BOMBS[name], SHAPE))
    assert name == "long chain" or "Unknown" in kinds(model)


def test_damaged_bytes(make_onnx: MakeOnnx) -> None:
    """Whatever a changed byte makes of a file, it is lowered, perhaps with unknown nodes, or refused by ValueError."""
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1], strides=[1, 1], group=1, auto_pad="NOTSET"),
        node("BatchNormalization", "c g b m v", "n", epsilon=0.1),
        node("Relu", "n", "r"),
        node("Where", "k r n", "p"),
        node("AveragePool", "p", "a", kernel_shape=[2, 2], pads=[0, 0, 1, 1], strides=[2, 2], ceil_mode=0),
        node("Pad", "a pads", "d"),
        node("Slice", "d s e", "l"),
        node("Reshape", "l t", "f"),
        node("Gemm", "f u", "y", alpha=1.0, transB=0),
    ]
    constants = {"w": random(2, 1, 1, 1), "k": np.array([[[True]], [[False]]]), "pads": np.array([0, 0, 1, 0, 0, 0, 0, 0])}
    constants |= {"g": random(2), "b": random(2), "m": random(2), "v": np.ones(2, np.float32), "s": np.array([0])}
    constants |= {"e": np.array([9]), "t": np.array([0, -1]), "u": random(2 * 4 * 3, 1)}
    path = make_onnx(nodes, constants, (1, 3, 3))
    graph.refuse_unknown(graph.load(path))
    content, outcomes, messages = path.read_bytes(), set(), []
    for place in range(len(content)):
        for flip in (0x01, 0x80):
            path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
            try:
                outcomes.add("Unknown" in kinds(graph.load(path)))
            except ValueError as error:
                messages.append(str(error))
    assert outcomes == {True, False}
    assert messages and all(str(path) in message for message in messages)
