"""The rows of a count: what each layer of a network holds and computes, and what it sends under each protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pi_bench import inputs
from pi_bench.config.count import CountConfig
from pi_bench.cost import Cost
from pi_bench.model.operations import Model, Operation, ReLU, Unknown
from pi_bench.protocols import registry
from pi_bench.protocols.calibration import calibrated
from pi_bench.protocols.settings import Settings

RULE = (
    "Scalar ReLUs per image: every element of a ReLU's output counts once, the stem's too; kept are those that the mask leaves "
    "a ReLU, the others are the identity."
)


@dataclass(frozen=True)
class Row:
    """One layer. costs: by protocol, for a batch; empty where the network holds something unknown. bits: how many one-trip's
    comparisons read of a value."""

    name: str
    op: str
    shape: tuple[int, ...]
    parameters: int = 0
    macs: int = 0
    relu_kept: int = 0
    relu_total: int = 0
    bits: int | None = None
    costs: Mapping[str, Cost] = field(default_factory=dict)


def count(model: Model, costs: Mapping[str, Mapping[str, Cost]], bits: Mapping[str, int] | None = None) -> list[Row]:
    """A row for each layer in the order of running: "input", the operations, "output".

    costs: by protocol and layer, as `pi_bench.protocols.costs` gives them; layers without one have none. bits: by site, how
    many its comparison reads.
    """
    architecture = model.architecture
    first = Row("input", "Input", architecture.input_shape, costs=_of_layer(costs, "input"))
    last = Row("output", "Output", architecture.output.shape, costs=_of_layer(costs, "output"))
    bits = bits or {}
    rows = [
        _row(operation, _of_layer(costs, operation.name), bits.get(operation.name)) for operation in architecture.operations
    ]
    return [first, *rows, last]


def total(rows: Sequence[Row]) -> Row:
    """The sums of all columns."""
    columns = {name: sum(getattr(row, name) for row in rows) for name in ("parameters", "macs", "relu_kept", "relu_total")}
    protocols = {name: sum((row.costs[name] for row in rows), Cost()) for name in rows[0].costs}
    return Row("total", "", (), **columns, costs=protocols)


def unknown(model: Model) -> list[Unknown]:
    """What was not understood."""
    return [operation for operation in model.architecture.operations if isinstance(operation, Unknown)]


def settings_for(model: Model, config: CountConfig) -> list[Settings]:
    """Those of each protocol, with comparison bits by site where they are to be chosen."""
    if config.comparison_bits is not None or unknown(model) or not any(map(registry.reads_bits, config.settings)):
        return config.settings
    shape = model.architecture.input_shape
    if config.calibration is None:
        images = inputs.random_images(inputs.CALIBRATION_IMAGES, shape, inputs.CALIBRATION_SEED)
    else:
        images = inputs.load(config.calibration, shape=shape).images
    return [calibrated(settings, model, images) for settings in config.settings]


def protocol_costs(model: Model, settings: Sequence[Settings]) -> dict[str, dict[str, Cost]]:
    """The costs of each protocol; none for a network that cannot be run."""
    if unknown(model):
        return {}
    return {each.protocol: registry.costs(model.architecture, each) for each in settings}


def comparison_bits(model: Model, settings: Sequence[Settings]) -> dict[str, int]:
    """By site how many bits a comparison reads, in the protocol that is told; empty without it."""
    reading = [] if unknown(model) else [each for each in settings if registry.reads_bits(each)]
    return {relu.name: each.bits_of(relu.name) for each in reading for relu in model.architecture.relus if relu.kept}


def as_json(model: Model, rows: Sequence[Row], batch: int) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "rule": RULE,
        "mode": model.mode,
        "batch": batch,
        "layers": [asdict(row) for row in rows],
        "total": asdict(total(rows)),
        "not_understood": [
            {"name": operation.name, "op": operation.onnx_op, "reason": operation.reason} for operation in unknown(model)
        ],
    }


def _of_layer(costs: Mapping[str, Mapping[str, Cost]], layer: str) -> dict[str, Cost]:
    return {protocol: by_layer[layer] for protocol, by_layer in costs.items()}


def _row(operation: Operation, costs: Mapping[str, Cost], bits: int | None) -> Row:
    kept, relus = (operation.kept, operation.size) if isinstance(operation, ReLU) else (0, 0)
    op = operation.onnx_op if isinstance(operation, Unknown) else operation.op
    return Row(operation.name, op, operation.shape, operation.parameters, operation.macs, kept, relus, bits, costs)
