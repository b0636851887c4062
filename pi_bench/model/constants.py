"""Folds nodes whose inputs are all constants: the shapes, masks and indices that exporters compute within the graph."""

from collections.abc import Callable, Sequence

import numpy as np
from onnx import helper, numpy_helper

from pi_bench.model.rearrange import MOVES, Array, Attributes, bounded

Inputs = Sequence[Array | None]


def constant(attributes: Attributes, inputs: Inputs) -> Array:
    """Constant's own value, in whichever attribute it is."""
    if "value" in attributes:
        return numpy_helper.to_array(attributes["value"])
    for name, kind in (("value_float", np.float32), ("value_floats", np.float32), ("value_int", int), ("value_ints", int)):
        if name in attributes:
            return np.asarray(attributes[name], kind)
    raise ValueError("a constant that is not of numbers")


def shape(attributes: Attributes, inputs: Inputs) -> Array:
    sizes = np.asarray(inputs[0].shape, np.int64)
    return sizes[attributes.get("start", 0) : attributes.get("end")]


def constant_of_shape(attributes: Attributes, inputs: Inputs) -> Array:
    bounded(inputs[0])
    value = numpy_helper.to_array(attributes["value"]) if "value" in attributes else np.zeros(1, np.float32)
    return np.full(inputs[0], value.ravel()[0], value.dtype)


def expand(attributes: Attributes, inputs: Inputs) -> Array:
    x, target = inputs
    sizes = np.broadcast_shapes(x.shape, tuple(int(size) for size in target))
    bounded(sizes)
    return np.broadcast_to(x, sizes)


def range_(attributes: Attributes, inputs: Inputs) -> Array:
    start, limit, delta = (x.item() for x in inputs)
    if delta == 0:
        raise ValueError("a range without a step")
    bounded([max(0, int((limit - start) / delta) + 1)])
    return np.arange(start, limit, delta, dtype=inputs[0].dtype)


def cast(attributes: Attributes, inputs: Inputs) -> Array:
    return inputs[0].astype(helper.tensor_dtype_to_np_dtype(attributes["to"]))


def nonzero(attributes: Attributes, inputs: Inputs) -> Array:
    return np.stack(np.nonzero(inputs[0])).astype(np.int64)


def divide(x: Array, y: Array) -> Array:
    """Of integers the quotient rounded towards 0."""
    if np.issubdtype(x.dtype, np.integer):
        return (np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))).astype(x.dtype)
    return x / y


def _elementwise(function: Callable[..., Array]) -> Callable[[Attributes, Inputs], Array]:
    def fold(attributes: Attributes, inputs: Inputs) -> Array:
        bounded(np.broadcast_shapes(*(x.shape for x in inputs)))
        return np.asarray(function(*inputs))

    return fold


FOLD: dict[str, Callable[[Attributes, Inputs], Array]] = {
    **{name: function for name, (function, _) in MOVES.items()},
    **{
        name: _elementwise(function)
        for name, function in {
            "Identity": np.asarray,
            "Add": np.add,
            "Sub": np.subtract,
            "Mul": np.multiply,
            "Div": divide,
            "Neg": np.negative,
            "Sqrt": np.sqrt,
            "Reciprocal": np.reciprocal,
            "Not": np.logical_not,
            "And": np.logical_and,
            "Or": np.logical_or,
            "Equal": np.equal,
            "Greater": np.greater,
            "GreaterOrEqual": np.greater_equal,
            "Less": np.less,
            "LessOrEqual": np.less_equal,
            "Where": np.where,
        }.items()
    },
    "Constant": constant,
    "Shape": shape,
    "ConstantOfShape": constant_of_shape,
    "Expand": expand,
    "Range": range_,
    "Cast": cast,
    "NonZero": nonzero,
}


def fold(op: str, attributes: Attributes, inputs: Inputs) -> Array:
    """The node's value. Raises ValueError where it cannot be known, or is too large."""
    if op not in FOLD:
        raise ValueError("it is not computed from constants here")
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused where it meets a weight
            return FOLD[op](attributes, inputs)
    except (ValueError, IndexError, TypeError, OverflowError, KeyError, AttributeError, MemoryError) as error:
        raise ValueError(f"its constants do not fit it ({error})") from error
