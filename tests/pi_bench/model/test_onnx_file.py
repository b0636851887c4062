"""Files that are broken or hostile: each is refused in one sentence that names the file and the remedy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pi_bench.given import MAX_MODEL_BYTES
from pi_bench.model import onnx_file

MakeOnnx = Callable[..., Path]
CONV = helper.make_node("Conv", ["x", "w"], ["y"], "conv")
RELU = helper.make_node("Relu", ["x"], ["y"], "relu")
WEIGHT = np.ones((3, 2, 1, 1), np.float32)


def refused(path: Path, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        onnx_file.read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message


def changed(path: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def outside(path: Path, location: str, **keys: int) -> Path:
    """The model with its weight elsewhere."""

    def move(model: onnx.ModelProto) -> None:
        (tensor,) = model.graph.initializer
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **keys}.items():
            tensor.external_data.add(key=key, value=str(value))

    return changed(path, move)


def test_a_good_file(make_onnx: MakeOnnx) -> None:
    path = make_onnx([CONV], {"w": WEIGHT})
    model = onnx_file.read(path)
    assert onnx_file.input_shape(onnx_file.network_inputs(model, path)[0]) == (None, 2, 4, 4)


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated(make_onnx: MakeOnnx, part: float) -> None:
    path = make_onnx([CONV], {"w": np.ones((300, 2, 1, 1), np.float32)})
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    refused(path, "truncated or not an ONNX file")


@pytest.mark.parametrize(
    "content", [b"", b"hello, world\n", bytes(range(256)) * 8, b"\x80\x04\x95pickle", b"PK\x03\x04" + bytes(60)]
)
def test_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    refused(path, "truncated or not an ONNX file|holds no network")


def test_random_bytes(tmp_path: Path) -> None:
    """Whatever they are, the answer is a ValueError."""
    generator = np.random.default_rng(0)
    path = tmp_path / "x.onnx"
    for _ in range(100):
        path.write_bytes(generator.bytes(int(generator.integers(1, 300))))
        refused(path, "export")


def test_damaged_bytes(make_onnx: MakeOnnx) -> None:
    """A good file with one byte changed is read, or refused by ValueError."""
    path = make_onnx([CONV], {"w": WEIGHT})
    content, messages = path.read_bytes(), []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            onnx_file.read(path)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > len(content) // 4
    assert all(str(path) in message for message in messages)


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_MODEL_BYTES + 1)  # takes no space
    refused(path, "at most 2,147,483,648 can be read")


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder")
    with pytest.raises(FileNotFoundError):
        onnx_file.read(tmp_path / "missing.onnx")


def test_cyclic_graph(make_onnx: MakeOnnx) -> None:
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    refused(make_onnx(nodes), "not a valid ONNX model")


def test_recursive_function(make_onnx: MakeOnnx) -> None:
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    call = helper.make_node("F", ["x"], ["y"], domain="own")
    function = helper.make_function("own", "F", ["x"], ["y"], [call], opsets)
    refused(make_onnx([call], functions=[function], opset_imports=opsets), "not a valid ONNX model")


def test_functions_are_inlined(make_onnx: MakeOnnx) -> None:
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    function = helper.make_function("own", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opsets)
    path = make_onnx([helper.make_node("F", ["x"], ["y"], domain="own")], functions=[function], opset_imports=opsets)
    assert [node.op_type for node in onnx_file.read(path).graph.node] == ["Relu"]


def test_two_inputs_and_two_outputs(make_onnx: MakeOnnx) -> None:
    path = changed(
        make_onnx([RELU]),
        lambda model: model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 2])),
    )
    refused(path, r"2 inputs \('x', 'z'\)")
    path = changed(
        make_onnx([RELU]),
        lambda model: model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 4, 4])),
    )
    refused(path, r"2 outputs \('y', 'x'\)")


def test_weights_among_the_inputs_are_none(make_onnx: MakeOnnx) -> None:
    """As files of IR version 3 have them."""
    path = changed(
        make_onnx([CONV], {"w": WEIGHT}),
        lambda model: model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3, 2, 1, 1])),
    )
    assert onnx_file.network_inputs(onnx_file.read(path), path)[0].name == "x"


def whole(name: str, shape: list[int] | None, kind: int = TensorProto.INT64) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_a_selector(make_onnx: MakeOnnx, kind: int) -> None:
    """One whole number beside the images, before or after them."""
    path = make_onnx([RELU], others=[whole("mode", [], kind)])
    for _ in range(2):
        image, selector = onnx_file.network_inputs(onnx_file.read(path), path)
        assert (image.name, selector.name) == ("x", "mode")
        path = changed(path, lambda model: model.graph.input.reverse())


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ([whole("mode", [], TensorProto.FLOAT)], r"2 inputs \('x', 'mode'\).*one whole number"),
        ([whole("mode", [], TensorProto.BOOL)], r"2 inputs \('x', 'mode'\)"),
        ([whole("mode", [3])], r"input 'mode' has the shape \(3,\).*one whole number"),
        ([whole("mode", [1])], r"input 'mode' has the shape \(1,\)"),
        ([whole("mode", None)], "not a valid ONNX model"),
        ([whole("mode", []), whole("other", [])], r"3 inputs \('x', 'mode', 'other'\)"),
        ([whole("mo\x1b[2Jde", [2])], r"input 'mo\?\[2Jde'"),
    ],
)
def test_what_selects_no_mode(make_onnx: MakeOnnx, others: list[onnx.ValueInfoProto], words: str) -> None:
    refused(make_onnx([RELU], others=others), words)


def test_a_selector_without_images(make_onnx: MakeOnnx) -> None:
    def make_whole(model: onnx.ModelProto) -> None:
        model.graph.input[0].CopyFrom(whole("x", [1, 2]))

    refused(changed(make_onnx([RELU], others=[whole("mode", [])]), make_whole), r"2 inputs \('x', 'mode'\)")
    refused(changed(make_onnx([RELU]), make_whole), "'x' is not of float numbers")


@pytest.mark.parametrize("shape", [(2, "height", 4), (2, 4, 0)])
def test_dynamic_dimension(make_onnx: MakeOnnx, shape: tuple[int | str, ...]) -> None:
    refused(make_onnx([RELU], shape=shape), r"dimension [23].* of the input 'x' is not fixed")


def test_huge_dimensions(make_onnx: MakeOnnx) -> None:
    refused(make_onnx([RELU], shape=(2**31, 2**31, 3)), "too large")


def test_integer_input(make_onnx: MakeOnnx) -> None:
    def make_int(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64

    refused(changed(make_onnx([RELU]), make_int), "not of float numbers")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_weights_that_are_no_numbers(make_onnx: MakeOnnx, value: float, kind: type) -> None:
    weight = WEIGHT.astype(kind)
    weight[1, 1] = value
    refused(make_onnx([CONV], {"w": weight}), "tensor 'w' holds NaN or infinite")


def test_nan_in_a_constant_node(make_onnx: MakeOnnx) -> None:
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array([np.nan], np.float32), "bad"))
    refused(make_onnx([constant, helper.make_node("Add", ["x", "c"], ["y"])]), "tensor 'bad' holds NaN")


def test_less_data_than_promised(make_onnx: MakeOnnx) -> None:
    def promise(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].dims[:] = [2**31, 2**31, 1, 1]

    refused(changed(make_onnx([CONV], {"w": WEIGHT}), promise), "valid ONNX model|does not hold what its shape says")


def test_old_opset(make_onnx: MakeOnnx) -> None:
    refused(make_onnx([RELU], opset=8), "opset 8; export it again with opset 9")


def test_control_characters_in_a_name_do_not_reach_the_terminal(make_onnx: MakeOnnx) -> None:
    weight = np.full_like(WEIGHT, np.nan)
    path = make_onnx([helper.make_node("Conv", ["x", "w\x1b[2J"], ["y"])], {"w\x1b[2J": weight})
    with pytest.raises(ValueError, match=r"tensor 'w\?\[2J'"):
        onnx_file.read(path)


def test_external_data_beside_the_model(make_onnx: MakeOnnx) -> None:
    path = make_onnx([CONV], {"w": WEIGHT})
    (path.parent / "w.bin").write_bytes(bytes(8) + (2 * WEIGHT).tobytes())
    model = onnx_file.read(outside(path, "w.bin", offset=8, length=WEIGHT.nbytes))
    np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), 2 * WEIGHT)


def test_external_data_elsewhere(make_onnx: MakeOnnx, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(WEIGHT.tobytes())
    (folder / "link.bin").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    for location in (str(secret), "../secret.bin", "sub/../../secret.bin", "link.bin", "up/secret.bin", "", "."):
        path = make_onnx([CONV], {"w": WEIGHT}, name="models/model.onnx")
        refused(outside(path, location), "tensor 'w' has external data outside the model's folder")


def test_external_data_missing_or_short(make_onnx: MakeOnnx) -> None:
    refused(outside(make_onnx([CONV], {"w": WEIGHT}), "w.bin"), "'w.bin', which is missing; copy it beside the model")
    (make_onnx([CONV], {"w": WEIGHT}).parent / "w.bin").write_bytes(bytes(10))
    refused(outside(make_onnx([CONV], {"w": WEIGHT}), "w.bin", length=24), "beyond the end of 'w.bin'")
    refused(outside(make_onnx([CONV], {"w": WEIGHT}), "w.bin", offset=2**40), "beyond the end of 'w.bin'")
    refused(outside(make_onnx([CONV], {"w": WEIGHT}), "w.bin"), "valid ONNX model|does not hold what its shape says")
