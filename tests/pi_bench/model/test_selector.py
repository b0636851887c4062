"""Files that hold several modes: each mode is lowered as a file of that mode alone, and what names none is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pi_bench.model import graph, plain
from pi_bench.model.operations import Model

MakeOnnx = Callable[..., Path]
WEIGHT = np.arange(1, 7, dtype=np.float32).reshape(3, 2, 1, 1)
SCALES = np.array([[1, 2, 3], [-1, 5, 0.5]], np.float32)


@pytest.fixture
def make_modes(make_onnx: MakeOnnx) -> MakeOnnx:
    """A convolution whose scales are those of the mode: w' = w scales[mode]."""

    def make(modes: str | None = None, kind: int = TensorProto.INT64) -> Path:
        nodes = [
            helper.make_node("Gather", ["scales", "mode"], ["scale"], "gather"),
            helper.make_node("Reshape", ["scale", "shape"], ["column"], "reshape"),
            helper.make_node("Mul", ["w", "column"], ["v"], "scaled"),
            helper.make_node("Conv", ["x", "v"], ["y"], "conv"),
        ]
        constants = {"w": WEIGHT, "scales": SCALES, "shape": np.array([3, 1, 1, 1])}
        others = [helper.make_tensor_value_info("mode", kind, [])]
        return make_onnx(nodes, constants, others=others, metadata={} if modes is None else {"modes": modes})

    return make


def weights(model: Model) -> np.ndarray:
    (held,) = model.weights.values()
    return held.weight


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
@pytest.mark.parametrize("names", [("a", "b"), None])
def test_a_mode_by_name_or_by_number(make_modes: MakeOnnx, names: tuple[str, str] | None, kind: int) -> None:
    """The first one where none is asked for. The selector leaves nothing behind."""
    path = make_modes(names and ",".join(names), kind)
    assert graph.modes(path) == (names or ())
    first, second = names or ("0", "1")
    for asked, found, number in ((None, first, 0), (first, first, 0), (second, second, 1)):
        model = graph.load(path, asked)
        assert model.mode == found
        assert [operation.op for operation in model.architecture.operations] == ["Conv"]
        np.testing.assert_array_equal(weights(model), WEIGHT * SCALES[number].reshape(3, 1, 1, 1))


def test_a_file_without_modes(make_onnx: MakeOnnx) -> None:
    path = make_onnx([helper.make_node("Relu", ["x"], ["y"], "relu")], metadata={"modes": "normal"})
    assert graph.load(path).mode is None
    assert graph.modes(path) is None
    with pytest.raises(ValueError, match="no input that selects a mode, so no mode 'normal'; leave out --mode"):
        graph.load(path, "normal")


@pytest.mark.parametrize(
    ("modes", "asked", "words"),
    [
        ("a,b", "c", "has no mode 'c'; choose one of a, b"),
        ("a,b", "0", "has no mode '0'; choose one of a, b"),
        ("a,b", "", "has no mode ''; choose one of a, b"),
        ("a,b", "\x1b[2J", r"has no mode '\?\[2J'"),
        (None, "a", "has no mode 'a'; the file names none; give a number"),
        (None, "-1", "has no mode '-1'; the file names none"),
        (None, "\u0661", "the file names none"),
        (None, "9" * 30, "the file names none"),
        (None, "2", "'gather' has no value in this mode: .*out of bounds.*; choose another"),
        ("a,b,c", "c", "'gather' has no value in this mode: .*out of bounds"),
        ("", None, "its metadata 'modes' is no list of names"),
        ("a,a", None, "its metadata 'modes' is no list of names"),
        ("a,../b", None, "its metadata 'modes' is no list of names"),
        ("a,\x1b[2J", "a", "its metadata 'modes' is no list of names"),
        ("a,b,", "a", "its metadata 'modes' is no list of names"),
        ("a" * 33, None, "its metadata 'modes' is no list of names"),
    ],
)
def test_modes_that_there_are_not(make_modes: MakeOnnx, modes: str | None, asked: str | None, words: str) -> None:
    path = make_modes(modes)
    with pytest.raises(ValueError, match=words) as caught:
        graph.load(path, asked)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_names_that_are_told_twice_or_are_no_text(make_modes: MakeOnnx) -> None:
    path = make_modes("a,b")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x03a,b", b"\x03a,\xff"))
    with pytest.raises(ValueError, match="no list of names"):
        graph.load(path)
    path.write_bytes(content)
    model = onnx.load(path)
    model.metadata_props.add(key="modes", value="c,d")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=r"modes|not a valid ONNX model"):
        graph.load(path)


def test_damaged_bytes(make_modes: MakeOnnx) -> None:
    """A good file with one byte changed is lowered, or refused by ValueError."""
    path = make_modes("a,b")
    content, refused = path.read_bytes(), 0
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            graph.load(path, "b")
        except ValueError:
            refused += 1
    assert refused > len(content) // 4


def test_a_selector_that_chooses_among_values(make_onnx: MakeOnnx, run_onnx: Callable[..., np.ndarray]) -> None:
    """Where it is not weights that differ by mode but what is done: x in one mode, its ReLU in the other."""
    nodes = [
        helper.make_node("Equal", ["mode", "one"], ["is_one"]),
        helper.make_node("Relu", ["x"], ["r"], "relu"),
        helper.make_node("Where", ["is_one", "r", "x"], ["c"]),
        helper.make_node("Mul", ["c", "two"], ["y"], "twice"),
    ]
    others = [helper.make_tensor_value_info("mode", TensorProto.INT64, [])]
    path = make_onnx(nodes, {"one": np.array(1), "two": np.float32(2)}, others=others)
    images = np.random.default_rng(0).standard_normal((3, 2, 4, 4)).astype(np.float32)
    for number, kept in ((0, 0), (1, 32)):
        model = graph.load(path, str(number))
        assert sum(relu.kept for relu in model.architecture.relus) == kept
        np.testing.assert_allclose(
            plain.evaluate(model, images)[model.architecture.output.name], run_onnx(path, images, number)
        )


@pytest.mark.parametrize(
    ("name", "keep", "modes"), [("resnet18", 0.3, ["normal", "adversarial"]), ("wrn22-8", None, ["adversarial"])]
)
def test_each_mode_of_a_student_is_that_of_its_own_file(
    make_student: Callable[..., Path], run_onnx: Callable[..., np.ndarray], name: str, keep: float | None, modes: list[str]
) -> None:
    """The same architecture, to its digest; the same weights; and the logits that onnxruntime gives for the mode.

    modes: those that have a file of their own, which takes seconds to make.
    """
    both = make_student(name, keep, "both")
    images = np.random.default_rng(0).random((4, 1, 8, 8), np.float32)
    assert graph.modes(both) == ("normal", "adversarial")
    for number, mode in enumerate(("normal", "adversarial")):
        found = graph.load(both, mode)
        np.testing.assert_allclose(plain.logits(found, images), run_onnx(both, images, number), 1e-4, 1e-4)
        if mode not in modes:
            continue
        alone = graph.load(make_student(name, keep, mode))
        assert found.architecture.digest == alone.architecture.digest
        assert found.weights.keys() == alone.weights.keys()
        for key, held in alone.weights.items():
            for one, other in ((found.weights[key].weight, held.weight), (found.weights[key].bias, held.bias)):
                assert (one is None) == (other is None)
                np.testing.assert_allclose(np.nan if one is None else one, np.nan if other is None else other, 1e-5, 1e-6)


@pytest.fixture
def make_single(make_onnx: MakeOnnx) -> MakeOnnx:
    """A ReLU; its metadata say which mode it is, if they are given."""

    def make(**metadata: str) -> Path:
        named = {name.replace("_", "."): value for name, value in metadata.items()}
        return make_onnx([helper.make_node("Relu", ["x"], ["y"], "relu")], metadata=named)

    return make


def test_a_file_of_one_mode_may_name_it(make_single: MakeOnnx) -> None:
    """So it may be asked for, and no other one; there is none to choose from."""
    path = make_single(rlnet_mode="robust-2")
    assert graph.load(path).mode == graph.load(path, "robust-2").mode == "robust-2"
    assert graph.modes(path) is None
    with pytest.raises(ValueError, match="selects a mode, so no mode 'normal' but its own, robust-2; leave out --mode"):
        graph.load(path, "normal")


@pytest.mark.parametrize("name", ["", "a,b", "../a", "\x1b[2J", "a" * 33])
def test_what_is_no_name_of_a_mode(make_single: MakeOnnx, name: str) -> None:
    with pytest.raises(ValueError, match=r"its metadata 'rlnet\.mode' is no name of a mode"):
        graph.load(make_single(rlnet_mode=name))


def test_a_selector_says_more_than_the_name_of_one_mode(make_modes: MakeOnnx) -> None:
    path = make_modes("a,b")
    model = onnx.load(path)
    model.metadata_props.add(key="rlnet.mode", value="c")
    path.write_bytes(model.SerializeToString())
    assert graph.load(path).mode == "a" and graph.modes(path) == ("a", "b")
