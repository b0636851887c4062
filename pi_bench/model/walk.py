"""The one pass over a network: each layer in order, every value let go of after its last use.

Plaintext, calibration and every phase of a secure run go this way; they differ in what a value is and in what is done.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pi_bench.model.operations import Architecture, Operation

Value = TypeVar("Value")


class Layer(Protocol):
    """Operations that are done together, none of which needs another one of them."""

    @property
    def operations(self) -> tuple[Operation, ...]: ...


AnyLayer = TypeVar("AnyLayer", bound=Layer)
Inputs = list[tuple[Any, ...]]


def walk(
    layers: Sequence[AnyLayer], values: dict[str, Value], do: Callable[[AnyLayer, Inputs], Sequence[Value]]
) -> Iterator[tuple[AnyLayer, Sequence[Value]]]:
    """Calls do(layer, inputs) for each layer and yields it with its outputs, one for each of its operations.

    values: what is there before, by name; changed in place. inputs: for each operation the values that it reads.
    """
    last_use = {
        name: index for index, layer in enumerate(layers) for operation in layer.operations for name in operation.inputs
    }
    for index, layer in enumerate(layers):
        outputs = do(layer, [tuple(values[name] for name in operation.inputs) for operation in layer.operations])
        values.update(zip((operation.name for operation in layer.operations), outputs, strict=True))
        for name in {name for operation in layer.operations for name in operation.inputs}:
            if last_use[name] == index:
                del values[name]
        yield layer, outputs


@dataclass(frozen=True)
class Single:
    """A layer of one operation."""

    operation: Operation

    @property
    def operations(self) -> tuple[Operation, ...]:
        return (self.operation,)


def one_by_one(architecture: Architecture) -> list[Single]:
    """Each operation as a layer of its own."""
    return list(map(Single, architecture.operations))
