"""Counts a network layer by layer: parameters, multiplications, ReLUs, and what each secure protocol would send.

python -m pi_bench count runs/digits/relu-50k/student/student.onnx
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pi_bench.cli import command
from pi_bench.cost import Cost
from pi_bench.model import graph
from pi_bench.model.operations import Model, Operation, ReLU, Unknown
from pi_bench.units import plain, short_count, size

RULE = (
    "Scalar ReLUs per image: every element of a ReLU's output counts once, the stem's too; kept are those that the mask leaves "
    "a ReLU, the others are the identity."
)
WIDTH = 140  # of the table where the output is no terminal


@dataclass(frozen=True)
class CountConfig:
    """Counts the ReLUs of a network, layer by layer, and predicts what it costs under encryption.

    Args:
        json: print JSON.
        batch: images in one inference, for rounds and bytes; everything else is per image.
        mode: which mode of a file that holds several; its first one without.
    """

    json: bool = False
    batch: int = 1
    mode: str | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch is a number of images, at least 1, not {self.batch}")


@dataclass(frozen=True)
class Row:
    """One layer. `costs`: by protocol, for a batch; empty where the network holds something unknown."""

    name: str
    op: str
    shape: tuple[int, ...]
    parameters: int = 0
    macs: int = 0
    relu_kept: int = 0
    relu_total: int = 0
    costs: Mapping[str, Cost] = field(default_factory=dict)


def count(model: Model, costs: Mapping[str, Mapping[str, Cost]]) -> list[Row]:
    """A row for each layer in the order of running: "input", the operations, "output".

    costs: by protocol and layer, as `pi_bench.protocols.costs` gives them; layers without one have none.
    """
    architecture = model.architecture
    first = Row("input", "Input", architecture.input_shape, costs=_of_layer(costs, "input"))
    last = Row("output", "Output", architecture.output.shape, costs=_of_layer(costs, "output"))
    return [first, *(_row(operation, _of_layer(costs, operation.name)) for operation in architecture.operations), last]


def total(rows: Sequence[Row]) -> Row:
    """The sums of all columns."""
    columns = {name: sum(getattr(row, name) for row in rows) for name in ("parameters", "macs", "relu_kept", "relu_total")}
    protocols = {name: sum((row.costs[name] for row in rows), Cost()) for name in rows[0].costs}
    return Row("total", "", (), **columns, costs=protocols)


def unknown(model: Model) -> list[Unknown]:
    """What was not understood."""
    return [operation for operation in model.architecture.operations if isinstance(operation, Unknown)]


def protocol_costs(model: Model, batch: int) -> dict[str, dict[str, Cost]]:
    """The costs of every protocol; none for a network that cannot be run."""
    from pi_bench import protocols

    if unknown(model):
        return {}
    return {name: protocols.costs(model.architecture, protocols.Settings(name, batch=batch)) for name in protocols.names()}


def table(rows: Sequence[Row], protocols: Sequence[str]) -> Table:
    """The rows and their totals. Bytes are one-way, of the party that sends more in all."""
    sums = total(rows)
    found = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    found.add_column("layer", overflow="fold", min_width=10)
    for header in ("operation", "shape"):
        found.add_column(header, no_wrap=True)
    by_protocol = [f"{name}\n{what}" for name in protocols for what in ("rounds", "bytes")]
    for header in ("parameters", "MACs", "ReLUs\nkept", "ReLUs\nin all", *by_protocol):
        found.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        found.add_row(*_cells(row, sums, protocols))
    found.add_section()
    found.add_row(*_cells(sums, sums, protocols), style="bold")
    return found


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


def print_count(path: Path, config: CountConfig) -> None:
    """Prints the table of a file, or its JSON."""
    from pi_bench import protocols

    model = graph.load(path, config.mode)
    rows = count(model, protocol_costs(model, config.batch))
    if config.json:
        print(json.dumps(as_json(model, rows, config.batch), indent=1))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    console.print(table(rows, protocols.names()))
    if model.mode is not None:
        console.print(Text(f"The file holds several modes; counted is mode {model.mode}."))
    console.print(Text(RULE))
    images = "one image" if config.batch == 1 else f"a batch of {config.batch} images"
    console.print(Text(f"Rounds and bytes: online, for {images}; bytes are those of the party that sends more in all."))
    for protocol in protocols.PROTOCOLS.values():
        console.print(Text(f"  {protocol.name}: {protocol.summary}"))
    if unknown(model):
        console.print(Text("Not understood, so neither counted nor run securely:", "bold"))
    for operation in unknown(model):
        console.print(Text(f"  {operation.name} ({operation.onnx_op}): {operation.reason}"))


def main(arguments: list[str] | None = None) -> int:
    return command(print_count, CountConfig, arguments, positional={"model": (Path, "the ONNX file")})


def _of_layer(costs: Mapping[str, Mapping[str, Cost]], layer: str) -> dict[str, Cost]:
    return {protocol: by_layer[layer] for protocol, by_layer in costs.items()}


def _row(operation: Operation, costs: Mapping[str, Cost]) -> Row:
    kept, relus = (operation.kept, operation.size) if isinstance(operation, ReLU) else (0, 0)
    op = operation.onnx_op if isinstance(operation, Unknown) else operation.op
    return Row(operation.name, op, operation.shape, operation.parameters, operation.macs, kept, relus, costs)


def _cells(row: Row, sums: Row, protocols: Sequence[str]) -> list[Text]:
    shape = "x".join(map(str, row.shape))
    relus = [f"{row.relu_kept:,}", f"{row.relu_total:,}"] if row.relu_total else ["", ""]
    sizes = [short_count(value) if value else "" for value in (row.parameters, row.macs)]
    cells = [plain(row.name), plain(row.op), shape, *sizes, *relus]
    for protocol in protocols:
        if protocol not in row.costs:
            cells += ["-", "-"]
            continue
        cost, whole = row.costs[protocol], sums.costs[protocol]
        sent = cost.server_bytes if whole.server_bytes > whole.client_bytes else cost.client_bytes
        cells += [f"{cost.rounds:,}" if cost.rounds else "", size(sent) if sent else ""]
    return [Text(cell) for cell in cells]
