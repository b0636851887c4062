"""Recognises partial ReLUs, however a file writes them.

Where(mask, Relu(x), x), m * relu(x) + (1 - m) * x, x + m * (relu(x) - x) and Scatter(x, Relu(Gather(x))) all end in the same
form (forms.py): each element in its own place, and either its linear or its rectified coefficient 0. That is a partial ReLU,
followed by an affine map where the other coefficient is not 1.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from pi_bench.model.forms import COEFFICIENTS, Form, NotUnderstood
from pi_bench.model.operations import Shape
from pi_bench.model.rearrange import Array, bounded


@dataclass(frozen=True)
class PartialReLU:
    """What a form comes to: a ReLU where `mask` keeps it (None: there is no ReLU), then `scale` (C,) and `shift`.

    mask has the base's shape, shift broadcasts to it; None for a scale of 1 and a shift of 0.
    """

    mask: Array | None
    scale: Array | None
    shift: Array | None


def recognise(form: Form) -> PartialReLU:
    """The form as a partial ReLU and an affine map of its base. Raises NotUnderstood with the reason."""
    shape, batch = form.base.shape, form.shape[0] if form.shape else 0
    if not shape or prod(form.shape) != batch * prod(shape) or batch * prod(shape) == 0:
        raise NotUnderstood("it takes only some elements of its input")
    if form.order is not None and not np.array_equal(form.order.ravel(), np.arange(prod(form.shape))):
        raise NotUnderstood("it moves elements to other places")
    linear, rectified, constant = (_per_image(getattr(form, name), form.shape, shape) for name in COEFFICIENTS)
    if not all(np.isfinite(values).all() for values in (linear, rectified, constant)):
        raise NotUnderstood("its constants come to NaN or infinity")
    if np.any(linear * rectified):
        raise NotUnderstood("its mask has values other than 0 and 1")
    scale = _per_channel(linear + rectified, shape)
    mask = None if form.relu is None else np.broadcast_to(rectified != 0, shape)
    scale = None if np.all(scale == 1) else np.broadcast_to(scale, shape[0])
    return PartialReLU(mask, scale, _shift(constant, shape) if np.any(constant) else None)


def _per_image(values: Array, shape: Shape, base_shape: Shape) -> Array:
    """Coefficients in the base's layout without the batch; scalars stay scalars."""
    if np.size(values) == 1:
        return np.reshape(values, ())
    bounded(shape)
    full = np.broadcast_to(values, shape)
    if full.strides[0] and not (full == full[:1]).all():
        raise NotUnderstood("its constants differ from image to image")
    return full[0].reshape(base_shape)


def _per_channel(values: Array, shape: Shape) -> Array:
    """(C,), or a scalar."""
    if values.ndim == 0:
        return values
    by_channel = np.broadcast_to(values, shape).reshape(shape[0], -1)
    if (by_channel != by_channel[:, :1]).any():
        raise NotUnderstood("it multiplies the elements of a channel by different constants")
    return by_channel[:, 0]


def _shift(values: Array, shape: Shape) -> Array:
    """One value per channel, (C, 1, 1), where that is all there is to say; else all of them."""
    full = np.broadcast_to(values, shape)
    first = full[(slice(None), *[slice(0, 1)] * (len(shape) - 1))]
    return np.ascontiguousarray(first if (full == first).all() else full)
