"""ONNX layers one by one: attributes and constants of a node to the operation of the same meaning, or why there is none."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

import numpy as np

from pi_bench.model.builder import Builder
from pi_bench.model.forms import NotUnderstood, Value
from pi_bench.model.operations import AveragePool, Concat, Conv, Linear, Pad, Shape, Slice, Weights
from pi_bench.model.rearrange import Array, Attributes, axes

Input = Value | Array | None


def conv(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    x, weight, bias = _map(inputs[0]), _constant(inputs, 1, "weight"), _constant(inputs, 2, "bias")
    groups, stride = node.attributes.get("group", 1), _pair(node.attributes, "strides")
    dilation = _pair(node.attributes, "dilations")
    if weight.ndim != 4 or groups < 1 or weight.shape[0] % groups or weight.shape[1] * groups != x.shape[0]:
        raise NotUnderstood(f"its weight of shape {weight.shape} in {groups} groups does not fit {x.shape[0]} channels")
    kernel = weight.shape[2:]
    if tuple(node.attributes.get("kernel_shape", kernel)) != kernel:
        raise NotUnderstood("its kernel_shape is not that of its weight")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise NotUnderstood(f"its bias has shape {bias.shape}, its weight {weight.shape}")
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    padding = _padding(node.attributes, x.shape[1:], reach, stride)
    shape = (weight.shape[0], *_windows(x.shape[1:], reach, stride, padding))
    fields = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    weights = Weights(weight.astype(np.float64), None if bias is None else bias.astype(np.float64).reshape(-1, 1, 1))
    return builder.add(Conv, node.name, (x,), shape, weights, weight_shape=weight.shape, **fields)


def gemm(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    if node.attributes.get("transA", 0):
        raise NotUnderstood("it transposes the value")
    weight = _constant(inputs, 1, "matrix")
    weight = node.attributes.get("alpha", 1.0) * weight.astype(np.float64)
    bias = _constant(inputs, 2, "bias")
    bias = None if bias is None else node.attributes.get("beta", 1.0) * bias.astype(np.float64)
    return _linear(node, inputs[0], weight if node.attributes.get("transB", 0) else weight.T, bias, builder)


def matmul(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    return _linear(node, inputs[0], _constant(inputs, 1, "matrix").astype(np.float64).T, None, builder)


def _linear(node: Any, x: Input, weight: Array, bias: Array | None, builder: Builder) -> Value:
    """weight: (O, I)."""
    if not isinstance(x, Value) or len(x.shape) != 1 or weight.ndim != 2 or weight.shape[1] != x.shape[0]:
        raise NotUnderstood("it is no product of (batch, features) and a constant matrix that fits")
    if bias is not None:
        if np.broadcast_shapes(bias.shape, (1, len(weight))) != (1, len(weight)):
            raise NotUnderstood(f"its bias of shape {bias.shape} does not fit {len(weight)} outputs")
        bias = np.broadcast_to(bias, (1, len(weight)))[0].copy()
    weights = Weights(np.ascontiguousarray(weight), bias)
    return builder.add(Linear, node.name, (x,), weight.shape[:1], weights, weight_shape=weight.shape)


def average_pool(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    x, kernel, stride = _map(inputs[0]), tuple(node.attributes["kernel_shape"]), _pair(node.attributes, "strides")
    if len(kernel) != 2 or min(kernel) < 1 or _pair(node.attributes, "dilations") != (1, 1):
        raise NotUnderstood("its windows are not dense rectangles")
    padding = _padding(node.attributes, x.shape[1:], kernel, stride)
    if max(padding[0], padding[2]) >= kernel[0] or max(padding[1], padding[3]) >= kernel[1]:
        raise NotUnderstood("its padding is as large as its windows")
    sizes = _windows(x.shape[1:], kernel, stride, padding)
    if node.attributes.get("ceil_mode", 0) and sizes != _windows(x.shape[1:], kernel, stride, padding, cut=True):
        raise NotUnderstood("its last windows are cut (ceil_mode)")
    count_padding = bool(node.attributes.get("count_include_pad", 0)) or not any(padding)
    fields = {"kernel": kernel, "stride": stride, "padding": padding, "count_padding": count_padding}
    return builder.add(AveragePool, node.name, (x,), (x.shape[0], *sizes), **fields)


def global_average_pool(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    return _mean_of_map(node, _map(inputs[0]), True, builder)


def reduce_mean(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    x, along = _map(inputs[0]), axes(node.attributes, inputs)
    if along is None or {axis % 4 for axis in along} != {2, 3} or len(along) != 2:
        raise NotUnderstood("it is not the mean over height and width")
    return _mean_of_map(node, x, bool(node.attributes.get("keepdims", 1)), builder)


def _mean_of_map(node: Any, x: Value, keep: bool, builder: Builder) -> Value:
    channels, *kernel = x.shape
    mean = builder.add(AveragePool, node.name, (x,), (channels, 1, 1), kernel=tuple(kernel), stride=tuple(kernel))
    return mean if keep else builder.reshape(f"{node.name}_flat", mean, (channels,))


def pad(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    x, mode = _map(inputs[0]), node.attributes.get("mode", "constant")
    pads = list(node.attributes["pads"]) if "pads" in node.attributes else _constant(inputs, 1, "padding").tolist()
    value = _constant(inputs, 2, "value")
    along = axes({}, inputs, 3) or range(4)
    if mode != "constant" or node.attributes.get("value", 0.0) or (value is not None and value.any()):
        raise NotUnderstood("it pads with something else than zeros")
    sizes = {axis % 4: tuple(pads[i :: len(along)]) for i, axis in enumerate(along)}
    if len(pads) != 2 * len(along) or min(pads, default=0) < 0 or any(sizes.get(0, ())):
        raise NotUnderstood("it pads or cuts more than channels, height and width")
    before, after = zip(*(sizes.get(axis, (0, 0)) for axis in (1, 2, 3)), strict=True)
    if not any((*before, *after)):
        return x
    shape = tuple(sum(lengths) for lengths in zip(before, x.shape, after, strict=True))
    return builder.add(Pad, node.name, (x,), shape, padding=(*before, *after))


def slice_(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    x = _map(inputs[0])
    given = [_constant(inputs, position, what) for position, what in ((1, "start"), (2, "end"), (3, "axes"), (4, "step"))]
    if given[0] is None or given[1] is None:
        raise NotUnderstood("it does not say where it begins and ends")
    starts, ends, along, steps = (None if values is None else np.ravel(values).tolist() for values in given)
    along = [axis % 4 for axis in along or range(len(starts))]
    if len({len(starts), len(ends), len(along), len(set(along))}) != 1 or any(step != 1 for step in steps or ()):
        raise NotUnderstood("it takes other elements than a block")
    parts = {axis: slice(start, end).indices((1, *x.shape)[axis]) for axis, start, end in zip(along, starts, ends, strict=True)}
    if parts.get(0, (0, 1))[:2] != (0, 1):
        raise NotUnderstood("it takes images")
    bounds = [parts.get(axis, (0, length))[:2] for axis, length in enumerate(x.shape, 1)]
    shape = tuple(end - start for start, end in bounds)
    if min(shape) < 1:
        raise NotUnderstood("it takes nothing")
    return x if shape == x.shape else builder.add(Slice, node.name, (x,), shape, start=tuple(start for start, _ in bounds))


def concat(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    if not all(isinstance(x, Value) and x.shape for x in inputs):
        raise NotUnderstood("it joins constants with values")
    first = inputs[0].shape
    axis = node.attributes["axis"] % (len(first) + 1) - 1
    rest = {(*x.shape[:axis], *x.shape[axis + 1 :]) for x in inputs}
    if axis < 0 or len(rest) != 1 or any(len(x.shape) != len(first) for x in inputs):
        raise NotUnderstood("it joins images, or values that do not fit")
    shape = (*first[:axis], sum(x.shape[axis] for x in inputs), *first[axis + 1 :])
    return builder.add(Concat, node.name, inputs, shape, axis=axis)


def add(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    x, y = inputs
    if not (isinstance(x, Value) and isinstance(y, Value)) or x.shape != y.shape or not x.shape:
        raise NotUnderstood("its inputs have different shapes")
    if node.op == "Sub":
        y = builder.affine(f"{node.name}_negative", y, np.full(y.shape[0], -1.0), None)
    return builder.add_sum(node.name, x, y)


def relu(node: Any, inputs: Sequence[Input], builder: Builder) -> Value:
    return builder.relu(node.name, inputs[0])


LAYERS: dict[str, Callable[[Any, Sequence[Input], Builder], Value]] = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "ReduceMean": reduce_mean,
    "Pad": pad,
    "Slice": slice_,
    "Concat": concat,
    "Add": add,
    "Sub": add,
    "Relu": relu,
}


def _map(x: Input) -> Value:
    if not isinstance(x, Value) or len(x.shape) != 3:
        raise NotUnderstood("its input is not a value (batch, C, H, W)")
    return x


def _constant(inputs: Sequence[Input], position: int, what: str) -> Array | None:
    """A constant input; None where it is left out."""
    given = inputs[position] if len(inputs) > position else None
    if isinstance(given, Value):
        raise NotUnderstood(f"its {what} depends on the image")
    return given


def _pair(attributes: Attributes, name: str) -> Shape:
    values = tuple(attributes.get(name) or (1, 1))
    if len(values) != 2 or min(values) < 1:
        raise NotUnderstood(f"its {name} are {values}")
    return values


def _padding(attributes: Attributes, sizes: Shape, reach: Shape, stride: Shape) -> Shape:
    """(top, left, bottom, right), from pads or auto_pad."""
    auto = attributes.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        padding = tuple(attributes.get("pads") or (0, 0, 0, 0))
        if len(padding) != 4 or min(padding) < 0:
            raise NotUnderstood(f"its padding is {padding}")
        return padding
    if auto == "VALID":
        return (0, 0, 0, 0)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise NotUnderstood(f"its auto_pad is {auto!r}")
    whole = [max((ceil(n / s) - 1) * s + k - n, 0) for n, s, k in zip(sizes, stride, reach, strict=True)]
    less, more = [n // 2 for n in whole], [n - n // 2 for n in whole]
    return (*less, *more) if auto == "SAME_UPPER" else (*more, *less)


def _windows(sizes: Shape, reach: Shape, stride: Shape, padding: Shape, cut: bool = False) -> Shape:
    """How many windows fit along height and width; cut: with those that only begin there."""
    found = []
    for i in (0, 1):
        room = sizes[i] + padding[i] + padding[i + 2] - reach[i]
        if room < 0:
            raise NotUnderstood(f"its windows are larger than its input of {sizes[0]} x {sizes[1]}")
        found.append((-(-room // stride[i]) if cut else room // stride[i]) + 1)
    return tuple(found)
