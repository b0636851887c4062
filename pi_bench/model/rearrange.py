"""ONNX operators that only move elements, on numpy arrays: for constants, and for telling where elements have gone."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

Attributes = Mapping[str, Any]
Array = np.ndarray
MAX_ELEMENTS = 2**26


def bounded(shape: Sequence[int]) -> None:
    """Raises ValueError for an array that no network needs and that could fill the memory."""
    if prod(int(size) for size in shape) > MAX_ELEMENTS:
        raise ValueError(f"a constant of shape {tuple(int(size) for size in shape)} is too large")


def axes(attributes: Attributes, inputs: Sequence[Array], position: int = 1) -> tuple[int, ...] | None:
    """Axes as an attribute (older opsets) or as an input; None where there are none."""
    if "axes" in attributes:
        return tuple(attributes["axes"])
    given = inputs[position] if len(inputs) > position else None
    return None if given is None else tuple(int(axis) for axis in given.ravel())


def reshape(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    x, target = inputs
    sizes = [int(size) for size in target]
    if not attributes.get("allowzero", 0):
        sizes = [x.shape[i] if size == 0 else size for i, size in enumerate(sizes)]
    return x.reshape(sizes)


def flatten(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    (x,) = inputs
    axis = attributes.get("axis", 1)
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


def squeeze(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    return np.squeeze(inputs[0], axes(attributes, inputs))


def unsqueeze(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    return np.expand_dims(inputs[0], axes(attributes, inputs))


def transpose(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    return np.transpose(inputs[0], attributes.get("perm"))


def slice_(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    x = inputs[0]
    if "starts" in attributes:
        starts, ends = attributes["starts"], attributes["ends"]
    else:
        starts, ends = inputs[1].tolist(), inputs[2].tolist()
    where = axes(attributes, inputs, 3) or range(len(starts))
    steps = inputs[4].tolist() if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    cut = [slice(None)] * x.ndim
    for axis, start, end, step in zip(where, starts, ends, steps, strict=True):
        size = x.shape[axis]
        before_first = step < 0 and end < -size  # numpy would count it from the end once more
        cut[axis] = slice(start, None if before_first else end, step)
    return x[tuple(cut)]


def concat(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    bounded([sum(x.size for x in inputs)])
    return np.concatenate(inputs, attributes["axis"])


def gather(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    x, indices = inputs
    axis = attributes.get("axis", 0)
    bounded([indices.size, x.size // max(x.shape[axis], 1)])
    return np.take(x, indices, axis)


def gather_elements(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    x, indices = inputs
    return x[_coordinates(indices, attributes.get("axis", 0))]


def scatter_elements(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    x, indices, updates = inputs
    _no_reduction(attributes)
    result = x.copy()
    result[_coordinates(indices, attributes.get("axis", 0))] = updates
    return result


def gather_nd(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    x, indices = inputs
    common = attributes.get("batch_dims", 0)
    grid = np.indices(indices.shape[:-1])[:common]
    places = (*grid, *np.moveaxis(indices, -1, 0))
    bounded([*indices.shape[:-1], *x.shape[len(places) :]])
    return x[places]


def scatter_nd(attributes: Attributes, inputs: Sequence[Array]) -> Array:
    x, indices, updates = inputs
    _no_reduction(attributes)
    result = x.copy()
    result[tuple(np.moveaxis(indices, -1, 0))] = updates
    return result


def _coordinates(indices: Array, axis: int) -> tuple[Array, ...]:
    bounded([indices.ndim, indices.size])
    places = list(np.indices(indices.shape))
    places[axis] = indices
    return tuple(places)


def _no_reduction(attributes: Attributes) -> None:
    if attributes.get("reduction", "none") != "none":
        raise ValueError("it adds to what it overwrites")


# Operator -> its function, and which inputs hold the elements that move (None: all of them).
MOVES: dict[str, tuple[Callable[[Attributes, Sequence[Array]], Array], tuple[int, ...] | None]] = {
    "Reshape": (reshape, (0,)),
    "Flatten": (flatten, (0,)),
    "Squeeze": (squeeze, (0,)),
    "Unsqueeze": (unsqueeze, (0,)),
    "Transpose": (transpose, (0,)),
    "Slice": (slice_, (0,)),
    "Concat": (concat, None),
    "Gather": (gather, (0,)),
    "GatherElements": (gather_elements, (0,)),
    "GatherND": (gather_nd, (0,)),
    "Scatter": (scatter_elements, (0, 2)),
    "ScatterElements": (scatter_elements, (0, 2)),
    "ScatterND": (scatter_nd, (0, 2)),
}
KEEP_ORDER = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
