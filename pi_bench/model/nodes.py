"""ONNX nodes in Python's terms: those that the output depends on, and the shapes that ONNX infers for their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from pi_bench.model.onnx_file import ONNX_DOMAINS
from pi_bench.model.operations import Shape

LARGEST_CONSTANT = 1024  # elements whose values can matter to a shape


@dataclass(frozen=True)
class Node:
    """An ONNX node in Python's terms. `captured`: values that a graph within it reads."""

    op: str
    name: str
    attributes: dict[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    standard: bool
    captured: tuple[str, ...]
    proto: NodeProto


def needed_nodes(graph: GraphProto, output: str) -> list[Node]:
    """The nodes that the output depends on, in the file's order, each with a name."""
    wanted, found = {output}, []
    for proto in reversed(graph.node):
        if not wanted.isdisjoint(proto.output):
            node = _node(proto)
            wanted.update(node.inputs, node.captured)
            found.append(node)
    return found[::-1]


def _node(proto: NodeProto) -> Node:
    attributes, captured = {}, set()
    for attribute in proto.attribute:
        value = helper.get_attribute_value(attribute)
        attributes[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
        if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            captured |= {name for graph in [attribute.g, *attribute.graphs] for name in _read_within(graph)}
    outputs = tuple(proto.output)
    name = proto.name or next(filter(None, outputs), proto.op_type)
    standard = proto.domain in ONNX_DOMAINS
    return Node(proto.op_type, name, attributes, tuple(proto.input), outputs, standard, tuple(sorted(captured)), proto)


def _read_within(graph: GraphProto) -> set[str]:
    """The names that a graph reads, its own included."""
    return {graph_input for node in graph.node for graph_input in (*node.input, *_node(node).captured)}


def infer_shape(node: Node, output: str, inputs: Sequence[Shape | np.ndarray | None], model: ModelProto) -> Shape:
    """What ONNX says of an output's shape, given its node's inputs: shapes of values, or constants. () is not known.

    One node at a time: ONNX's inference over a whole hostile graph can fill the memory.
    """
    known, tensors = [], []
    for name, given in zip(node.inputs, inputs, strict=True):
        if isinstance(given, np.ndarray) and given.size <= LARGEST_CONSTANT:
            tensors.append(numpy_helper.from_array(given, name))
        elif given is not None:
            kind = helper.np_dtype_to_tensor_dtype(given.dtype) if isinstance(given, np.ndarray) else TensorProto.FLOAT
            shape = given.shape if isinstance(given, np.ndarray) else given
            known.append(helper.make_tensor_value_info(name, kind, shape or None))
    graph = helper.make_graph([node.proto], "g", known, [onnx.ValueInfoProto(name=output)], tensors)
    single = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        inferred = onnx.shape_inference.infer_shapes(single).graph.output[0]
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, ValueError, RuntimeError, MemoryError):
        return ()
    return tuple(dim.dim_value for dim in inferred.type.tensor_type.shape.dim)
