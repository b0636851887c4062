"""Nothing is guessed: what lowering does not understand stays unknown beside the rest, or the whole file is refused."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx import helper

from pi_bench.model import graph
from pi_bench.model.operations import AveragePool, Unknown

from .nodes import FLAT, NORM, SHAPE, W1, MakeOnnx, kinds, node, random

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
        flip = (0x01, 0x80)[place % 2]
        path.write_bytes(content[:place] + bytes([content[place] ^ flip]) + content[place + 1 :])
        try:
            outcomes.add("Unknown" in kinds(graph.load(path)))
        except ValueError as error:
            messages.append(str(error))
    assert outcomes == {True, False}
    assert messages and all(str(path) in message for message in messages)
