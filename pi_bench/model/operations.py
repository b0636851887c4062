"""The few operations a network is made of, as all parties know them: shapes and kept ReLUs, never a weight.

An `Architecture` is public: the server sends it to the client and the dealer, and all that a protocol does is fixed by it.
Shapes are those of one image, without the batch dimension: (C, H, W) or (features,).
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from math import prod
from typing import Any, ClassVar

import numpy as np

Shape = tuple[int, ...]

RESERVED = ("input", "output")  # the layers before and after the network, in tables
LARGEST = 2**31  # elements of one tensor


@dataclass(frozen=True)
class Operation:
    """One step of the network; `inputs` are names of earlier operations or of the network's input.

    `op` is its word in tables, `shape` its output's, `parameters` and `macs` (multiply-accumulates, per image) count its
    weights and work; where there is a bias it is counted in `parameters`.
    """

    op: ClassVar[str]
    name: str
    inputs: tuple[str, ...]
    shape: Shape
    parameters: int = 0

    @property
    def size(self) -> int:
        return prod(self.shape)

    def check(self) -> None:
        """Raises ValueError for sizes that no network has."""
        sizes = (self.shape, *(getattr(self, name) for name in ("weight_shape", "stride", "kernel") if hasattr(self, name)))
        if not all(map(_is_shape, sizes)):
            raise ValueError(f"{self.name} has sizes that no network has: {sizes}")

    @property
    def macs(self) -> int:
        return 0


@dataclass(frozen=True)
class Conv(Operation):
    """Convolution by the server's weights (O, I / groups, kH, kW), and its bias. `padding` is (top, left, bottom, right)."""

    op: ClassVar[str] = "Conv"
    weight_shape: Shape = ()
    stride: Shape = (1, 1)
    padding: Shape = (0, 0, 0, 0)
    dilation: Shape = (1, 1)
    groups: int = 1

    @property
    def macs(self) -> int:
        return self.size * prod(self.weight_shape[1:])


@dataclass(frozen=True)
class Linear(Operation):
    """Product with the server's matrix (O, I), and its bias."""

    op: ClassVar[str] = "Linear"
    weight_shape: Shape = ()

    @property
    def macs(self) -> int:
        return prod(self.weight_shape)


@dataclass(frozen=True)
class Bias(Operation):
    """Addition of the server's constant, of the output's shape or broadcast to it."""

    op: ClassVar[str] = "Bias"


@dataclass(frozen=True)
class ReLU(Operation):
    """max(x, 0) where the mask keeps it and x elsewhere. `packed` is the mask's bits (numpy.packbits), None keeps all."""

    op: ClassVar[str] = "ReLU"
    packed: bytes | None = None

    @cached_property
    def mask(self) -> np.ndarray:
        """The bool mask of the output's shape; True keeps the ReLU."""
        if self.packed is None:
            return np.ones(self.shape, bool)
        bits = np.unpackbits(np.frombuffer(self.packed, np.uint8), count=self.size)
        return bits.astype(bool).reshape(self.shape)

    @cached_property
    def kept(self) -> int:
        return int(self.mask.sum())

    def check(self) -> None:
        super().check()
        if self.packed is not None and len(self.packed) != -(-self.size // 8):
            raise ValueError(f"{self.name} has a mask of {len(self.packed)} bytes for {self.size} elements")


@dataclass(frozen=True)
class Addition(Operation):
    """Sum of two values of the same shape."""

    op: ClassVar[str] = "Add"


@dataclass(frozen=True)
class AveragePool(Operation):
    """Mean over windows; with `count_padding` the zeros of the padding count as elements."""

    op: ClassVar[str] = "AveragePool"
    kernel: Shape = (1, 1)
    stride: Shape = (1, 1)
    padding: Shape = (0, 0, 0, 0)
    count_padding: bool = True


@dataclass(frozen=True)
class Pad(Operation):
    """Zeros around a map and before and after its channels: how many before (C, H, W), then how many after."""

    op: ClassVar[str] = "Pad"
    padding: Shape = (0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Slice(Operation):
    """The part of a map that has the operation's shape and begins at `start` (C, H, W)."""

    op: ClassVar[str] = "Slice"
    start: Shape = (0, 0, 0)

    @property
    def region(self) -> tuple[slice, ...]:
        """What it takes of maps (B, C, H, W)."""
        return slice(None), *(slice(start, start + length) for start, length in zip(self.start, self.shape, strict=True))


@dataclass(frozen=True)
class Concat(Operation):
    """Values joined along one axis, counted without the batch dimension."""

    op: ClassVar[str] = "Concat"
    axis: int = 0


@dataclass(frozen=True)
class Reshape(Operation):
    """The same elements in another shape."""

    op: ClassVar[str] = "Reshape"


@dataclass(frozen=True)
class Unknown(Operation):
    """What cannot be run securely here: the ONNX operator and why. Counting lists it, running refuses it."""

    op: ClassVar[str] = "Unknown"
    onnx_op: str = ""
    reason: str = ""


OPERATIONS = {
    kind.__name__: kind for kind in (Conv, Linear, Bias, ReLU, Addition, AveragePool, Pad, Slice, Concat, Reshape, Unknown)
}


def _is_shape(shape: Shape) -> bool:
    return len(shape) <= 8 and all(type(size) is int and size > 0 for size in shape) and prod(shape) <= LARGEST


@dataclass(frozen=True)
class Architecture:
    """A network without its weights: the operations in an order in which each comes after its inputs; the last is the
    output."""

    input: str
    input_shape: Shape
    operations: tuple[Operation, ...]

    @property
    def output(self) -> Operation:
        return self.operations[-1]

    @property
    def relus(self) -> tuple[ReLU, ...]:
        return tuple(operation for operation in self.operations if isinstance(operation, ReLU))

    def shape(self, value: str) -> Shape:
        """The shape of the input or of an operation's output."""
        return self.shapes[value]

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        return {self.input: self.input_shape, **{operation.name: operation.shape for operation in self.operations}}

    def to_json(self) -> dict[str, Any]:
        operations = []
        for operation in self.operations:
            fields = {"kind": type(operation).__name__, **asdict(operation)}
            if fields.get("packed") is not None:
                fields["packed"] = base64.b64encode(fields["packed"]).decode()
            operations.append(fields)
        return {"input": self.input, "input_shape": list(self.input_shape), "operations": operations}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Architecture":
        operations = []
        for fields in content["operations"]:
            fields = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
            kind = OPERATIONS[fields.pop("kind")]
            if fields.get("packed") is not None:
                fields["packed"] = base64.b64decode(fields["packed"], validate=True)
            operations.append(kind(**fields))
        found = cls(content["input"], tuple(content["input_shape"]), tuple(operations))
        found.check()
        return found

    def check(self) -> None:
        """Raises ValueError where this is no network: anybody may have sent it."""
        known = {self.input}
        if not self.operations or not _is_shape(self.input_shape):
            raise ValueError("an architecture has operations and an input of a few positive sizes")
        for operation in self.operations:
            if operation.name in known or operation.name in RESERVED:
                raise ValueError(f"{operation.name!r} is the name of two values")
            if not operation.inputs or not set(operation.inputs) <= known:
                raise ValueError(f"{operation.name} needs {operation.inputs}, of which not all come before it")
            operation.check()
            known.add(operation.name)
        unread = known - {name for operation in self.operations for name in operation.inputs} - {self.output.name}
        if unread:
            raise ValueError(f"nobody reads {sorted(unread)}, and they are not the output")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the architecture: parties compare it to know that they mean the same network."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Weights:
    """The server's secret for one operation: `weight` float64 as in the operation (none for Bias); `bias` float64, None or
    broadcastable to the output's shape: (O, 1, 1) or (O, H, W) for a Conv, (O,) for a Linear."""

    weight: np.ndarray | None
    bias: np.ndarray | None


@dataclass(frozen=True)
class Model:
    """A network as the server holds it. mode: its name; None where the file holds one and does not say which."""

    architecture: Architecture
    weights: Mapping[str, Weights]
    mode: str | None = None
