"""The operations of a network while it is lowered: unique names, plausible sizes, and affine maps that are folded later."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, TypeVar

import numpy as np

from pi_bench.model.forms import Value
from pi_bench.model.operations import Addition, Operation, ReLU, Reshape, Shape, Unknown, Weights
from pi_bench.model.partial_relu import PartialReLU
from pi_bench.units import plain

MAX_ELEMENTS = 2**31
RESERVED = ("input", "output")  # what a table calls the first and the last step of a run


@dataclass(frozen=True)
class Affine(Operation):
    """x * scale + shift per channel, on its way into a convolution; its weights: scale (C,), shift (C, 1, 1) or larger."""

    op: ClassVar[str] = "Affine"


Steps = list[tuple[Operation, Weights | None]]
Kind = TypeVar("Kind", bound=Operation)


class Builder:
    """Collects operations in the order of running."""

    def __init__(self, input: Value):
        self.input = input
        self.steps: Steps = []
        self._names = {input.name, *RESERVED}
        self._made: dict[Any, Value] = {}

    def add(
        self,
        kind: type[Operation],
        name: str,
        inputs: Iterable[Value],
        shape: Shape | None,
        weights: Weights | None = None,
        **fields: Any,
    ) -> Value:
        """Appends an operation and returns its output. shape: for one image; None (of an Unknown) is not known."""
        name = self._unique(plain(name))
        if shape is not None and (min(shape, default=1) < 1 or prod(shape) > MAX_ELEMENTS):
            raise ValueError(
                f"the node {name!r} gives a value of shape {shape}; every size is at least 1, the product below 2^31"
            )
        if weights is not None:
            weights = Weights(*(None if array is None else _own(array) for array in (weights.weight, weights.bias)))
            if not all(np.isfinite(array).all() for array in (weights.weight, weights.bias) if array is not None):
                raise ValueError(
                    f"the constants of the node {name!r} come to NaN or infinity; train or export the network again"
                )
        self.steps.append((kind(name, tuple(value.name for value in inputs), shape or (), **fields), weights))
        return Value(name, shape)

    def unknown(self, name: str, inputs: Iterable[Value], shape: Shape | None, onnx_op: str, reason: str) -> Value:
        return self.add(Unknown, name, inputs, shape, onnx_op=plain(onnx_op), reason=plain(reason))

    def add_sum(self, name: str, x: Value, y: Value) -> Value:
        return self.add(Addition, name, (x, y), x.shape)

    def affine(self, name: str, x: Value, scale: np.ndarray | None, shift: np.ndarray | None) -> Value:
        """x * scale + shift; the same map of the same value is made once."""
        scale = np.ones(x.shape[0]) if scale is None else np.ascontiguousarray(scale, np.float64)
        shift = np.zeros((x.shape[0], *[1] * (len(x.shape) - 1))) if shift is None else shift
        key = (x.name, scale.tobytes(), shift.shape, shift.tobytes())
        if key not in self._made:
            self._made[key] = self.add(Affine, name, (x,), x.shape, Weights(scale, shift))
        return self._made[key]

    def relu(self, name: str, x: Value, mask: np.ndarray | None = None) -> Value:
        """A ReLU; the same one of the same value is made once. mask: bool of x's shape; None keeps all."""
        packed = None if mask is None or mask.all() else np.packbits(mask).tobytes()
        key = (x.name, packed)
        if key not in self._made:
            self._made[key] = self.add(ReLU, name, (x,), x.shape, packed=packed)
        return self._made[key]

    def reshape(self, name: str, x: Value, shape: Shape) -> Value:
        key = (x.name, shape)
        if x.shape == shape:
            return x
        if key not in self._made:
            self._made[key] = self.add(Reshape, name, (x,), shape)
        return self._made[key]

    def partial_relu(self, name: str, x: Value, found: PartialReLU, relu: str | None, shape: Shape) -> Value:
        """What a form was recognised as: a ReLU, an affine map and a reshape, as far as needed."""
        if found.mask is not None:
            x = self.relu(relu, x, found.mask)
        if found.scale is not None or found.shift is not None:
            x = self.affine(name, x, found.scale, found.shift)
        return self.reshape(name, x, shape)

    def _unique(self, name: str) -> str:
        """The name, or with the first number that makes it a new one."""
        number, found = 2, name
        while found in self._names:
            found, number = f"{name}_{number}", number + 1
        self._names.add(found)
        return found


def _own(array: np.ndarray) -> np.ndarray:
    """As torch takes it: float64, contiguous, writable."""
    return np.require(array, np.float64, ["C", "W"])


def needed(steps: Steps, output: str) -> Steps:
    """The steps that the output depends on, in the same order."""
    wanted, kept = {output}, []
    for operation, weights in reversed(steps):
        if operation.name in wanted:
            wanted.update(operation.inputs)
            kept.append((operation, weights))
    return kept[::-1]


def renamed(operation: Kind, names: Mapping[str, str]) -> Kind:
    """The operation reading other values."""
    return replace(operation, inputs=tuple(names.get(name, name) for name in operation.inputs))
