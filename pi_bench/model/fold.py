"""Folds affine maps (x * scale + shift per channel) into the convolutions and matrices around them.

    (a) into the Conv or Linear before, where nothing else reads that:      w' = s w,  b' = s b + t
    (b) into those after, where nothing else reads the map's output:        w' = w s,  b' = b + w * t
    (c) else it becomes a depthwise 1x1 convolution, or a Bias where the scale is 1

In (b) the shift is padded with zeros as the image is, so b' is a map (O, H, W) and right at the borders too.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np

from pi_bench.model.builder import Affine, Steps, renamed
from pi_bench.model.operations import Bias, Conv, Linear, Operation, Reshape, Shape, Weights

Consumers = Mapping[str, list[str]]


def fold(steps: Steps, output: str, shapes: Mapping[str, Shape]) -> tuple[Steps, str]:
    """The steps without affine maps, each with its number of parameters, and the name of the output."""
    steps, output = _into_previous(steps, output)
    steps = _into_following(steps, output, shapes)
    found = []
    for operation, weights in steps:
        found += _on_its_own(operation, weights) if isinstance(operation, Affine) else [(operation, weights)]
    return [(_counted(operation, weights), weights) for operation, weights in found], output


def _consumers(steps: Steps, output: str) -> Consumers:
    consumers = defaultdict(list, {output: [""]})
    for operation, _ in steps:
        for name in operation.inputs:
            consumers[name].append(operation.name)
    return consumers


def _into_previous(steps: Steps, output: str) -> tuple[Steps, str]:
    """(a), also of one affine map into another."""
    consumers, found, places, names = _consumers(steps, output), [], {}, {}
    for operation, weights in steps:
        operation = renamed(operation, names)
        before = places.get(operation.inputs[0]) if isinstance(operation, Affine) else None
        previous = None if before is None else found[before][0]
        if isinstance(previous, Conv | Linear | Affine) and len(consumers[previous.name]) == 1:
            found[before] = (previous, _scaled(found[before][1], weights))
            names[operation.name] = previous.name
            consumers[previous.name] = consumers[operation.name]
        else:
            places[operation.name] = len(found)
            found.append((operation, weights))
    return found, names.get(output, output)


def _scaled(weights: Weights, affine: Weights) -> Weights:
    by_output = affine.weight.reshape(-1, *[1] * (weights.weight.ndim - 1))
    shift = affine.bias if affine.bias.any() or isinstance(weights.bias, np.ndarray) else None
    if weights.bias is not None:
        shift = shift + weights.bias * affine.weight.reshape(-1, *[1] * (weights.bias.ndim - 1))
    return Weights(weights.weight * by_output, shift)


def _into_following(steps: Steps, output: str, shapes: Mapping[str, Shape]) -> Steps:
    """(b)."""
    consumers, kinds = _consumers(steps, output), {operation.name: type(operation) for operation, _ in steps}
    pending, names, found = {}, {}, []
    for operation, weights in steps:
        readers = [kinds.get(reader) for reader in consumers[operation.name]]
        affine = pending.get(operation.inputs[0]) if operation.inputs else None
        operation = renamed(operation, names)
        if isinstance(operation, Affine) and all(kind in (Conv, Linear) for kind in readers):
            pending[operation.name], names[operation.name] = weights, operation.inputs[0]
        else:
            if affine is not None:
                weights = _absorbed(operation, weights, affine, shapes[operation.inputs[0]])
            found.append((operation, weights))
    return found


def _absorbed(operation: Operation, weights: Weights, affine: Weights, shape: Shape) -> Weights:
    """The weights of a Conv or Linear that reads x instead of x * scale + shift."""
    scale, shift = affine.weight, affine.bias
    if isinstance(operation, Linear):
        bias = weights.weight @ np.broadcast_to(shift, shape)
        return Weights(weights.weight * scale, bias if weights.bias is None else bias + weights.bias)
    by_group = scale.reshape(operation.groups, -1)[:, None, :, None, None]
    scaled = (weights.weight.reshape(operation.groups, -1, *weights.weight.shape[1:]) * by_group).reshape(weights.weight.shape)
    if not shift.any():
        return Weights(scaled, weights.bias)
    bias = _convolved(operation, weights.weight, np.broadcast_to(shift, shape))
    if not any(operation.padding) and shift.shape[1:] == (1, 1):
        bias = bias[:, :1, :1]  # the same everywhere
    return Weights(scaled, bias if weights.bias is None else bias + weights.bias)


def _convolved(operation: Conv, weight: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The map (O, H, W) that a constant image gives."""
    import torch  # here, for most files are read, or refused, without it
    from torch.nn import functional

    top, left, bottom, right = operation.padding
    image = functional.pad(torch.from_numpy(shift.copy())[None], (left, right, top, bottom))
    options = {"stride": operation.stride, "dilation": operation.dilation, "groups": operation.groups}
    return functional.conv2d(image, torch.from_numpy(weight), **options)[0].numpy()


def _on_its_own(operation: Affine, weights: Weights) -> Steps:
    """(c)."""
    name, shape, channels = operation.name, operation.shape, operation.shape[0]
    shift = weights.bias if weights.bias.any() else None
    if (weights.weight == 1).all():
        return [(Bias(name, operation.inputs, shape), Weights(None, weights.bias))]
    weight = weights.weight.reshape(-1, 1, 1, 1)
    if len(shape) == 3:
        conv = Conv(name, operation.inputs, shape, weight_shape=weight.shape, groups=channels)
        return [(conv, Weights(weight, shift))]
    as_map = (channels, prod(shape[1:]), 1)
    if shift is not None:
        shift = np.broadcast_to(shift, shape).reshape(as_map)
    conv = Conv(f"{name}:conv", (f"{name}:map",), as_map, weight_shape=weight.shape, groups=channels)
    return [
        (Reshape(f"{name}:map", operation.inputs, as_map), None),
        (conv, Weights(weight, shift)),
        (Reshape(name, (conv.name,), shape), None),
    ]


def _counted(operation: Operation, weights: Weights | None) -> Operation:
    """The operation with its number of parameters: a map folded into a bias still counts as one for each output channel."""
    if weights is None:
        return operation
    if isinstance(operation, Bias):
        return replace(operation, parameters=weights.bias.size)
    return replace(operation, parameters=weights.weight.size + (0 if weights.bias is None else operation.shape[0]))
