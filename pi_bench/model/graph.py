"""Lowers an ONNX network to the few operations that matter: what cannot be lowered becomes Unknown, with the reason.

Nodes are taken in order. Constants are folded; what is elementwise or moves elements is followed as a form (partial_relu.py)
until a layer, or the output, needs the value; only then are operations made of it.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, ValueInfoProto, numpy_helper

from pi_bench.model import onnx_file, selector
from pi_bench.model.builder import Builder, needed
from pi_bench.model.constants import fold as fold_constants
from pi_bench.model.fold import fold
from pi_bench.model.forms import Form, Input, NotUnderstood, Value, follow
from pi_bench.model.layers import LAYERS
from pi_bench.model.nodes import Node, infer_shape, needed_nodes
from pi_bench.model.operations import Architecture, Model, Unknown
from pi_bench.model.partial_relu import recognise
from pi_bench.units import plain

FREE_BATCH = 3  # images in the batch while lowering, where the file leaves it open
DEEPEST = 16  # nodes that are followed without an operation; no partial ReLU is longer
MALFORMED = (IndexError, KeyError, TypeError, AttributeError, ZeroDivisionError)


def load(path: Path, mode: str | None = None) -> Model:
    """The network in an ONNX file. mode: which one of a file that holds several (selector.py); None takes the first.

    Raises ValueError for a file that is broken or holds no network of images, and for a mode that it has not.
    """
    path = Path(path)
    model = onnx_file.read(path)
    image, selecting = onnx_file.network_inputs(model, path)
    mode = selector.bind(model, selecting, path, mode)
    lowering = partial(_Lowering, model, image, None if selecting is None else selecting.name)
    free = onnx_file.input_shape(image)[0] is None
    try:
        found = lowering(FREE_BATCH if free else None).model()
        if free and any(node.op_type == "Shape" for node in model.graph.node):
            _same(found, lowering(FREE_BATCH + 2).model())
    except ValueError as error:
        raise error if str(error).startswith(str(path)) else ValueError(f"{path}: {error}") from error
    return replace(found, mode=mode)


def modes(path: Path) -> tuple[str, ...] | None:
    """The names of the modes that a file holds, () where they have numbers only; None for a file without a selector."""
    path = Path(path)
    model = onnx_file.read(path)
    return None if onnx_file.network_inputs(model, path)[1] is None else selector.names(model, path)


def refuse_unknown(model: Model) -> None:
    """Raises ValueError, naming the nodes, where a network cannot be run securely."""
    unknown = [operation for operation in model.architecture.operations if isinstance(operation, Unknown)]
    if unknown:
        nodes = "; ".join(f"{operation.name!r} ({operation.onnx_op}: {operation.reason})" for operation in unknown[:10])
        more = f"; and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise ValueError(
            f"{len(unknown)} of the network's nodes cannot be run securely: {nodes}{more}; "
            "write them with operations that can (README) and export the network again"
        )


def _same(found: Model, other: Model) -> None:
    if found.architecture.digest != other.architecture.digest or any(
        not np.array_equal(a, b)
        for name, weights in found.weights.items()
        for a, b in ((weights.weight, other.weights[name].weight), (weights.bias, other.weights[name].bias))
        if a is not None or b is not None
    ):
        raise ValueError("the network computes with the batch size, so it is not the same for every batch; export a fixed one")


class _Lowering:
    """One pass over the nodes of a model."""

    def __init__(self, model: ModelProto, image: ValueInfoProto, selecting: str | None, batch: int | None):
        """selecting: the constant that selects the mode. batch: how many images; None takes what the file has fixed."""
        fixed, *shape = onnx_file.input_shape(image)
        self._proto = model
        self._batch = batch or fixed
        self._output = model.graph.output[0].name
        input = Value(plain(image.name), tuple(shape))
        self._builder = Builder(input)
        self._made: dict[Form, Value] = {}
        self._values: dict[str, Form | np.ndarray] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self._values[image.name] = self._plain(input)
        self._by_mode = {selecting}  # constants that depend on the mode
        self._nodes = needed_nodes(model.graph, self._output)
        reads = [name for node in self._nodes for name in (*node.inputs, *node.captured)]
        self._readers = Counter([*reads, self._output])

    def model(self) -> Model:
        for node in self._nodes:
            self._lower(node)
        result = self._values.get(self._output)
        if not isinstance(result, Form):
            raise ValueError("the output does not depend on the image")
        output = self._value(result)
        if output == self._builder.input:
            raise ValueError("the network does nothing with the image")
        steps = needed(self._builder.steps, output.name)
        shapes = {self._builder.input.name: self._builder.input.shape, **{step.name: step.shape for step, _ in steps}}
        steps, _ = fold(steps, output.name, shapes)
        if len({operation.name for operation, _ in steps}) != len(steps):
            raise ValueError("its nodes have names that collide; rename them")
        weights = {operation.name: held for operation, held in steps if held is not None}
        operations = tuple(operation for operation, _ in steps)
        return Model(Architecture(self._builder.input.name, self._builder.input.shape, operations), weights)

    def _lower(self, node: Node) -> None:
        """Gives the node's outputs values."""
        inputs = [self._values[name] if name else None for name in node.inputs]
        reason = ""
        if node.standard and not node.captured:
            try:
                self._values[node.outputs[0]] = self._lowered(node, inputs)
                for name in node.outputs[1:]:
                    if self._readers[name]:
                        self._values[name] = self._unknown(node, inputs, name, "only its first output is understood")
                return
            except NotUnderstood as error:
                reason = str(error)
        elif node.captured or any(isinstance(value, onnx.GraphProto) for value in node.attributes.values()):
            reason = "it has a graph of its own inside, which is not looked into"
        else:
            reason = "it is not an operator of the ONNX standard"
        for name in node.outputs:
            if name:
                self._values[name] = self._unknown(node, inputs, name, reason)

    def _lowered(self, node: Node, inputs: Sequence[Input]) -> Form | np.ndarray:
        if node.op == "Shape" and isinstance(inputs[0], Form) and inputs[0].shape:
            inputs = [np.broadcast_to(np.int8(0), inputs[0].shape)]
        if not any(isinstance(value, Form) for value in inputs):
            return self._constant(node, inputs)
        if node.op == "Relu" and not inputs[0].masked_only:
            inputs = [self._settled(inputs[0])]
            self._values[node.inputs[0]] = inputs[0]  # so that whoever else reads it has the same base
        if max(value.depth for value in inputs if isinstance(value, Form)) >= DEEPEST:
            inputs = [self._settled(value) for value in inputs]
        try:
            form = follow(node, inputs)
        except NotUnderstood as error:
            return self._plain(self._operate(node, inputs, str(error)))
        if not isinstance(form, Form):
            return form
        if all(form is not value for value in inputs):
            depth = 1 + max(value.depth for value in inputs if isinstance(value, Form))
            form = replace(form, node=node, operands=tuple(inputs), depth=depth)
        several = self._readers[node.outputs[0]] > 1
        return self._settled(form) if several and _stands_alone(form) else form  # those who read it then have the same base

    def _constant(self, node: Node, inputs: Sequence[Input]) -> np.ndarray:
        by_mode = not self._by_mode.isdisjoint(node.inputs)
        try:
            value = fold_constants(node.op, node.attributes, inputs)
        except ValueError as error:
            if by_mode:
                raise ValueError(f"the node {plain(node.name)!r} has no value in this mode: {error}; choose another") from error
            raise NotUnderstood(str(error)) from error
        if by_mode:
            self._by_mode.update(filter(None, node.outputs))
        return value

    def _plain(self, value: Value) -> Form:
        shape = () if value.shape is None else (self._batch, *value.shape)
        form = Form(value, shape)
        self._made[form] = value
        return form

    def _settled(self, value: Input) -> Input:
        return self._plain(self._value(value)) if isinstance(value, Form) and value.node else value

    def _value(self, form: Form) -> Value:
        """The operation whose output the form is; made now if it has not been yet."""
        if form not in self._made:
            try:
                found = recognise(form)
                name = form.node.name if form.node else form.base.name
                self._made[form] = self._builder.partial_relu(name, form.base, found, form.relu, form.shape[1:])
            except NotUnderstood as error:
                self._made[form] = self._operate(form.node, form.operands, str(error))
        return self._made[form]

    def _operate(self, node: Node, inputs: Sequence[Input], reason: str) -> Value:
        """Lowers a node that is not to be followed any further: of values, as a layer."""
        settled = [self._settled(value) for value in inputs]
        if any(a is not b for a, b in zip(settled, inputs, strict=True)):
            with suppress(NotUnderstood):  # the first reason says more
                return self._value(replace(follow(node, settled), node=node, operands=tuple(settled)))
        values = [self._made[value] if isinstance(value, Form) else value for value in settled]
        if node.op in LAYERS:
            if any(isinstance(value, Value) and not value.shape for value in values):
                reason = "the shape of its input is not known"
            else:
                try:
                    return LAYERS[node.op](node, values, self._builder)
                except NotUnderstood as error:
                    reason = str(error)
                except MALFORMED as error:
                    reason = f"its attributes or inputs do not fit it ({onnx_file.one_line(error)})"
        return self._unknown_value(node, values, node.outputs[0], reason)

    def _unknown(self, node: Node, inputs: Sequence[Input], output: str, reason: str) -> Form:
        captured = [self._values[name] for name in node.captured if name in self._values]
        values = [self._value(value) for value in (*inputs, *captured) if isinstance(value, Form)]
        return self._plain(self._unknown_value(node, values, output, reason))

    def _unknown_value(self, node: Node, values: Sequence[Value | Any], output: str, reason: str) -> Value:
        inputs = [value for value in values if isinstance(value, Value)]
        return self._builder.unknown(node.name, inputs, self._inferred_shape(node, output), node.op, reason)

    def _inferred_shape(self, node: Node, output: str) -> tuple[int, ...] | None:
        """What ONNX's own inference says of a value that is not understood, for one image."""
        inputs = [self._values[name] if name else None for name in node.inputs]
        given = [value.shape if isinstance(value, Form) else value for value in inputs]
        shape = infer_shape(node, output, given, self._proto)
        return shape[1:] if len(shape) > 1 and shape[0] == self._batch and min(shape) > 0 else None


def _stands_alone(form: Form) -> bool:
    """Whether it can be an operation now: an affine map or a partial ReLU, but no mere Relu, which may be a part of one."""
    if form.masked_only or (form.relu is not None and not np.any(form.linear)):
        return False
    try:
        recognise(form)
    except NotUnderstood:
        return False
    return True
