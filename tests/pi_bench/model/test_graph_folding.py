"""What lowering folds, names and counts: affine maps end where they cost nothing, and dead nodes are left out."""

import numpy as np
from onnx import helper

from pi_bench.model import graph
from pi_bench.model.operations import Bias, Conv, Linear

from .nodes import NORM, SHAPE, T4, W1, W3, MakeOnnx, kinds, node, random


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
