"""Reads an ONNX file that may be truncated, broken or hostile: what comes back is well-formed, finite and small enough.

Nothing in a file is executed. Every fault is a ValueError of one sentence: file, node or tensor, remedy.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, numpy_helper

from pi_bench.given import MAX_MODEL_BYTES, check_model
from pi_bench.model import external_data, selector
from pi_bench.units import plain

MAX_INPUT_ELEMENTS = 2**28
OLDEST_OPSET = 9  # before it, operators broadcast and normalise in other ways
FLOATS = {TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64", TensorProto.FLOAT16: "float16"}
WEIGHTED = ("Conv", "Gemm", "MatMul", "BatchNormalization")
ONNX_DOMAINS = ("", "ai.onnx")


def read(path: Path) -> ModelProto:
    """The network in a file, checked, with external data loaded and local functions inlined."""
    model = _parse(Path(path))
    tensors = list(_tensors(model.graph, path))
    external_data.load(path, tensors, MAX_MODEL_BYTES)
    try:
        onnx.checker.check_model(model)
        model = onnx.inliner.inline_local_functions(model) if model.functions else model
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is not a valid ONNX model ({one_line(error)}); export it again") from error
    _check_opset(model, path)
    _check_weights(model, path)
    image, mode = network_inputs(model, path)
    _check_input(image, path)
    if mode is not None:
        selector.check(mode, path)
    if len(model.graph.output) != 1:
        outputs = ", ".join(repr(plain(value.name)) for value in model.graph.output)
        raise ValueError(f"{path} has {len(model.graph.output)} outputs ({outputs}); export the network with its logits only")
    return model


def network_inputs(model: ModelProto, path: Path) -> tuple[ValueInfoProto, ValueInfoProto | None]:
    """The images and, where there is one, what selects a mode: the inputs that are not weights (old files list those too)."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    is_whole = [value.type.tensor_type.elem_type in selector.INTEGERS for value in inputs]
    if len(inputs) == 2 and sum(is_whole) == 1:
        return inputs[is_whole.index(False)], inputs[is_whole.index(True)]
    if len(inputs) != 1:
        names = ", ".join(repr(plain(value.name)) for value in inputs) or "none"
        raise ValueError(
            f"{path} has {len(inputs)} inputs ({names}); export a network that takes one batch of images, of float numbers, "
            "and beside it at most one whole number that selects a mode"
        )
    return inputs[0], None


def input_shape(value: ValueInfoProto) -> tuple[int | None, ...]:
    """Its dimensions; None where one is not fixed."""
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim
    )


def one_line(error: Exception, longest: int = 200) -> str:
    """The first sentence of a library's error, without what could steer a terminal."""
    words = " ".join(str(error).split()) or type(error).__name__
    return plain(words if len(words) <= longest else words[:longest] + "...").rstrip(".")


def _parse(path: Path) -> ModelProto:
    check_model(path)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path} is truncated or not an ONNX file; export or copy it again") from error
    if not all(isinstance(name, str) for name in _names(model.graph)):
        raise ValueError(f"{path} has names that are not text; export it again")
    if not model.HasField("graph") or not model.graph.node:
        raise ValueError(f"{path} holds no network; export it again")
    return model


def _names(graph: GraphProto) -> Iterator[object]:
    """Whatever is used as a name; of a damaged file it can be bytes."""
    for node in graph.node:
        yield from (node.op_type, node.name, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    yield from (value.name for value in (*graph.initializer, *graph.input, *graph.output))


def _tensors(graph: GraphProto, path: Path) -> Iterator[TensorProto]:
    """Every tensor of a graph, wherever it stands."""
    if graph.sparse_initializer:
        raise ValueError(f"{path} has sparse weights; export it with dense ones")
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.type == AttributeProto.GRAPH else []), *attribute.graphs):
                yield from _tensors(inner, path)


def _check_opset(model: ModelProto, path: Path) -> None:
    version = next((opset.version for opset in model.opset_import if opset.domain in ONNX_DOMAINS), 0)
    if version < OLDEST_OPSET:
        raise ValueError(f"{path} uses opset {version}; export it again with opset {OLDEST_OPSET} or newer")


def _check_weights(model: ModelProto, path: Path) -> None:
    """No NaN anywhere, no infinity in a layer's weights; a mask may be written as limits of 0 and -infinity."""
    weights = {name for node in model.graph.node if node.op_type in WEIGHTED for name in node.input}
    for tensor in _tensors(model.graph, path):
        name = repr(plain(tensor.name or "a constant"))
        try:
            array = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError, MemoryError) as error:
            raise ValueError(f"{path}: the tensor {name} does not hold what its shape says; export it again") from error
        if tensor.data_type in FLOATS and (np.isnan(array).any() or (tensor.name in weights and np.isinf(array).any())):
            raise ValueError(f"{path}: the tensor {name} holds NaN or infinite values; train or export the network again")


def _check_input(value: ValueInfoProto, path: Path) -> None:
    name, kind = plain(value.name), value.type.tensor_type
    if not value.type.HasField("tensor_type") or kind.elem_type not in FLOATS:
        raise ValueError(f"{path}: the input {name!r} is not of float numbers; export a network that takes float images")
    if not kind.HasField("shape") or len(kind.shape.dim) < 2:
        raise ValueError(f"{path}: the input {name!r} has no batch dimension and shape; export it as (batch, C, H, W)")
    shape = input_shape(value)
    for i, (size, dim) in enumerate(zip(shape, kind.shape.dim, strict=True)):
        if size is None and i > 0:
            told = f" ({plain(dim.dim_param)})" if dim.dim_param else ""
            raise ValueError(
                f"{path}: dimension {i}{told} of the input {name!r} is not fixed; export it with only the batch dimension free"
            )
    if prod(shape[1:]) * (shape[0] or 1) > MAX_INPUT_ELEMENTS:
        raise ValueError(
            f"{path}: the input {name!r} of shape {shape[1:]} is too large; at most {MAX_INPUT_ELEMENTS:,} elements"
        )
