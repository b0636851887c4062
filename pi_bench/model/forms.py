r"""Follows values element by element between two layers, so that what they come to can be told however a file writes it.

Between two layers every value is described by the elements x of one earlier value (its base) and constants:

    y_i = linear_i * x_o(i) + rectified_i * relu(x_o(i)) + constant_i          o: which element of the base

Relu, sums, products with constants, Where with a constant mask, gathers and scatters all keep this form.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from pi_bench.model.operations import Shape
from pi_bench.model.rearrange import KEEP_ORDER, MOVES, Array, bounded


class NotUnderstood(ValueError):
    """Why a node has no secure counterpart here, in words."""


@dataclass(frozen=True)
class Value:
    """The output of an operation, or the network's input: its name and its shape for one image; None: nobody knows it."""

    name: str
    shape: Shape | None


ZERO, ONE = np.float64(0.0), np.float64(1.0)
COEFFICIENTS = ("linear", "rectified", "constant")


@dataclass(frozen=True, eq=False)
class Form:
    """A value as above. `shape` has the batch dimension; the coefficients broadcast to it.

    order: for each element its place in the base, images included; None keeps the base's order. relu: the node whose ReLU it
    went through. node, operands: what it was made by, for a second look. depth: how many nodes away from its base.
    """

    base: Value
    shape: Shape
    linear: Array = ONE
    rectified: Array = ZERO
    constant: Array = ZERO
    order: Array | None = None
    relu: str | None = None
    node: Any = None
    operands: tuple[Any, ...] = ()
    depth: int = 0

    @property
    def moved_only(self) -> bool:
        """Whether it is elements of its base as they are, before any ReLU."""
        return self.masked_only and bool(np.all(self.linear == 1))

    @property
    def masked_only(self) -> bool:
        """Whether it is elements of its base as they are, or 0, before any ReLU: relu(m x) = m relu(x) for m in {0, 1}."""
        bare = self.relu is None and not np.any(self.rectified) and not np.any(self.constant)
        return bare and bool(np.all((self.linear == 0) | (self.linear == 1)))


Input = Form | Array | None


def weighted_sum(terms: Sequence[tuple[Array, Form | Array]]) -> Form:
    """sum_k weight_k * term_k as one form. Raises NotUnderstood where the terms are of different bases or shapes."""
    forms = [term for _, term in terms if isinstance(term, Form)]
    first = forms[0]
    constants = [weight for weight, _ in terms] + [term for _, term in terms if not isinstance(term, Form)]
    for form in forms[1:]:
        if form.base.name != first.base.name or form.shape != first.shape or not _same_order(form.order, first.order):
            raise NotUnderstood("its inputs are not made of the same value")
    if any(np.broadcast_shapes(np.shape(values), first.shape) != first.shape for values in constants):
        raise NotUnderstood("its constants have more dimensions or elements than the value")
    if any(np.size(values) > 1 for values in constants):
        bounded(first.shape)
    parts = {name: ZERO for name in COEFFICIENTS}
    with np.errstate(all="ignore"):  # what is not finite is refused where it meets a weight
        for weight, term in terms:
            if isinstance(term, Form):
                parts = {name: parts[name] + weight * getattr(term, name) for name in COEFFICIENTS}
            else:
                parts["constant"] = parts["constant"] + weight * np.asarray(term, np.float64)
    relu = next((form.relu for form in forms if form.relu), None)
    return replace(first, **parts, relu=relu)


def _same_order(a: Array | None, b: Array | None) -> bool:
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


def _relu(node: Any, inputs: Sequence[Input]) -> Form:
    (x,) = inputs
    if not x.masked_only:
        raise NotUnderstood("it follows an affine map")  # and is looked at again when that is an operation of its own
    return replace(x, linear=ZERO, rectified=x.linear, relu=node.name)


def _product(node: Any, inputs: Sequence[Input]) -> Form:
    x, y = inputs if isinstance(inputs[0], Form) else reversed(inputs)
    if isinstance(y, Form):
        raise NotUnderstood("it multiplies two values that both depend on the image")
    return weighted_sum([(np.asarray(y, np.float64), x)])


def _quotient(node: Any, inputs: Sequence[Input]) -> Form:
    x, y = inputs
    if isinstance(y, Form):
        raise NotUnderstood("it divides by a value that depends on the image")
    with np.errstate(all="ignore"):
        return weighted_sum([(1 / np.asarray(y, np.float64), x)])


def _where(node: Any, inputs: Sequence[Input]) -> Form:
    mask, x, y = inputs
    if isinstance(mask, Form):
        raise NotUnderstood("its condition depends on the image")
    kept = mask.astype(bool)
    return weighted_sum([(kept.astype(np.float64), x), ((~kept).astype(np.float64), y)])


def _batch_norm(node: Any, inputs: Sequence[Input]) -> Form:
    x, *constants = inputs
    if any(isinstance(values, Form) for values in constants) or not isinstance(x, Form):
        raise NotUnderstood("its statistics are not constants")
    if node.attributes.get("training_mode", 0) or len(node.outputs) > 1:
        raise NotUnderstood("it uses the statistics of the batch (training mode)")
    weight, bias, mean, variance = (
        np.asarray(values, np.float64).reshape(-1, *[1] * (len(x.shape) - 2)) for values in constants
    )
    with np.errstate(all="ignore"):
        scale = weight / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    return weighted_sum([(scale, x), (ONE, bias - mean * scale)])


def _dropout(node: Any, inputs: Sequence[Input]) -> Input:
    if len(inputs) > 2 and inputs[2] is not None and np.any(inputs[2]):
        raise NotUnderstood("it drops elements at random (training mode)")
    return inputs[0]


def _cast(node: Any, inputs: Sequence[Input]) -> Input:
    if node.op == "Cast" and node.attributes["to"] not in (1, 10, 11, 16):  # TensorProto's float, float16, double, bfloat16
        raise NotUnderstood("it makes integers of an image's values")
    return inputs[0]


def _move(node: Any, inputs: Sequence[Input]) -> Form:
    """Applies the move to the coefficients and to the places of the elements."""
    function, moving = MOVES[node.op]
    positions = range(len(inputs)) if moving is None else moving
    forms = [inputs[i] for i in positions]
    for i, value in enumerate(inputs):
        if isinstance(value, Form) != (i in positions):
            raise NotUnderstood("it moves constants among the elements, or to places that depend on the image")
    if any(form.base.name != forms[0].base.name for form in forms):
        raise NotUnderstood("its inputs are not made of the same value")

    def moved(arrays: Sequence[Array]) -> Array:
        given = list(inputs)
        for i, array in zip(positions, arrays, strict=True):
            given[i] = array
        return function(node.attributes, given)

    try:
        if node.op in KEEP_ORDER and forms[0].order is None:
            order, shape = None, moved([np.broadcast_to(np.int8(0), forms[0].shape)]).shape
        else:
            order = moved([_order(form) for form in forms])
            shape = order.shape
        parts = {name: _moved_coefficient([getattr(form, name) for form in forms], forms, moved) for name in COEFFICIENTS}
    except (ValueError, IndexError, TypeError, KeyError, MemoryError) as error:
        raise NotUnderstood(f"its constants do not fit it ({error})") from error
    relu = next((form.relu for form in forms if form.relu), None)
    return replace(forms[0], shape=shape, order=order, relu=relu, **parts)


def _order(form: Form) -> Array:
    if form.order is not None:
        return form.order
    bounded(form.shape)
    return np.arange(prod(form.shape)).reshape(form.shape)


def _moved_coefficient(values: Sequence[Array], forms: Sequence[Form], moved: Callable[[Sequence[Array]], Array]) -> Array:
    if all(np.size(value) == 1 and np.all(value == values[0]) for value in values) and np.size(values[0]) == 1:
        return np.reshape(values[0], ())
    return moved([np.broadcast_to(value, form.shape) for value, form in zip(values, forms, strict=True)])


def _cast_like(node: Any, inputs: Sequence[Input]) -> Input:
    if not isinstance(inputs[0], Form):
        return inputs[0].astype(np.float64)  # as the image's values, which are of some float type
    return _cast(node, inputs)


def _expand(node: Any, inputs: Sequence[Input]) -> Input:
    x, target = inputs
    if not isinstance(x, Form) or np.broadcast_shapes(x.shape, tuple(int(size) for size in target)) != x.shape:
        raise NotUnderstood("it repeats elements")
    return x


FORMS: Mapping[str, Callable[[Any, Sequence[Input]], Input]] = {
    "Relu": _relu,
    "Add": lambda node, inputs: weighted_sum([(ONE, inputs[0]), (ONE, inputs[1])]),
    "Sub": lambda node, inputs: weighted_sum([(ONE, inputs[0]), (-ONE, inputs[1])]),
    "Neg": lambda node, inputs: weighted_sum([(-ONE, inputs[0])]),
    "Mul": _product,
    "Div": _quotient,
    "Where": _where,
    "BatchNormalization": _batch_norm,
    "Identity": lambda node, inputs: inputs[0],
    "Dropout": _dropout,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Expand": _expand,
    **dict.fromkeys(MOVES, _move),
}


def follow(node: Any, inputs: Sequence[Input]) -> Form | Array:
    """The form of a node's output (or a constant, of CastLike). Raises NotUnderstood where it is none."""
    if node.op not in FORMS:
        raise NotUnderstood("it has no secure counterpart here")
    if any(isinstance(value, Form) and not value.shape for value in inputs):
        raise NotUnderstood("the shape of its input is not known")
    try:
        return FORMS[node.op](node, inputs)
    except NotUnderstood:
        raise
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise NotUnderstood(f"its inputs do not fit it ({error})") from error
