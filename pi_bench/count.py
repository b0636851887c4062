"""Counts a network layer by layer: parameters, multiplications, ReLUs, and what each secure protocol would send, and when.

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

from pi_bench import inputs, protocols
from pi_bench.cli import command
from pi_bench.cost import OFFLINE_WAYS, Cost, received
from pi_bench.model import graph
from pi_bench.model.operations import Model, Operation, ReLU, Unknown
from pi_bench.protocols.calibration import calibrated
from pi_bench.protocols.settings import Settings
from pi_bench.units import plain, short_count, size

RULE = (
    "Scalar ReLUs per image: every element of a ReLU's output counts once, the stem's too; kept are those that the mask leaves "
    "a ReLU, the others are the identity."
)
WIDTH = 180  # of the table where the output is no terminal


@dataclass(frozen=True)
class CountConfig:
    """Counts the ReLUs of a network, layer by layer, and predicts what it costs under encryption.

    Args:
        json: print JSON.
        batch: images in one inference, for rounds and bytes; everything else is per image.
        mode: which mode of a file that holds several; its first one without.
        protocol: of which protocols, several with commas between; all of them without.
        precision_bits: fractional bits of fixed-point numbers.
        comparison_bits: how many bits of a value one-trip's comparisons read; without it they are chosen by calibration.
        calibration: images for that, a .npz file or a folder; random ones without.
    """

    json: bool = False
    batch: int = 1
    mode: str | None = None
    protocol: str | None = None
    precision_bits: int = Settings.precision_bits
    comparison_bits: int | None = None
    calibration: Path | None = None

    def __post_init__(self) -> None:
        _ = self.settings  # which checks them

    @property
    def settings(self) -> list[Settings]:
        """Of each protocol."""
        chosen = protocols.names() if self.protocol is None else [name.strip() for name in self.protocol.split(",")]
        return [
            Settings(name, "dealer", self.precision_bits, self.batch, self.comparison_bits) for name in dict.fromkeys(chosen)
        ]


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
    if config.comparison_bits is not None or unknown(model) or not any(map(protocols.reads_bits, config.settings)):
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
    return {each.protocol: protocols.costs(model.architecture, each) for each in settings}


def comparison_bits(model: Model, settings: Sequence[Settings]) -> dict[str, int]:
    """By site how many bits a comparison reads, in the protocol that is told; empty without it."""
    reading = [] if unknown(model) else [each for each in settings if protocols.reads_bits(each)]
    return {relu.name: each.bits_of(relu.name) for each in reading for relu in model.architecture.relus if relu.kept}


def table(rows: Sequence[Row], protocols: Sequence[str]) -> Table:
    """The rows and their totals. Bytes are one-way: online of the party that sends more in all, offline what the party receives
    that receives more in all."""
    sums = total(rows)
    found = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    found.add_column("layer", overflow="fold", min_width=20)
    for header in ("operation", "shape"):
        found.add_column(header, no_wrap=True)
    columns = ("rounds", "online", "offline")
    by_protocol = ["\n".join([*name.replace("-", "- ").split(), what]) for name in protocols for what in columns]
    for header in ("parameters", "MACs", "ReLUs\nkept", "ReLUs\nin all", "bits", *by_protocol):
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


def directions(rows: Sequence[Row], protocols: Sequence[str]) -> Table:
    """For each protocol what is sent in all, by phase and direction."""
    found = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="sent in all, by phase and direction", title_justify="left")
    found.add_column("protocol", no_wrap=True)
    for header in (
        "online\nserver to client",
        "client to server",
        *(f"offline\n{way.replace('_', ' ')}" for way in OFFLINE_WAYS),
    ):
        found.add_column(header, justify="right")
    found.add_column("once\nfor a model", justify="right")
    for name in protocols:
        cost = total(rows).costs[name]
        sent = (cost.server_bytes, cost.client_bytes, *cost.offline.values(), cost.setup_bytes)
        found.add_row(name, *map(size, sent))
    return found


def print_count(path: Path, config: CountConfig) -> None:
    """Prints the table of a file, or its JSON."""
    model = graph.load(path, config.mode)
    settings = settings_for(model, config)
    rows = count(model, protocol_costs(model, settings), comparison_bits(model, settings))
    if config.json:
        print(json.dumps(as_json(model, rows, config.batch), indent=1))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    names = [each.protocol for each in settings]
    console.print(table(rows, names))
    if rows[0].costs:
        console.print(directions(rows, names))
    for sentence in _explained(model, config, names):
        console.print(Text(sentence))
    if unknown(model):
        console.print(Text("Not understood, so neither counted nor run securely:", "bold"))
    for operation in unknown(model):
        console.print(Text(f"  {operation.name} ({operation.onnx_op}): {operation.reason}"))


def _explained(model: Model, config: CountConfig, names: Sequence[str]) -> list[str]:
    images = "one image" if config.batch == 1 else f"a batch of {config.batch} images"
    chosen = "given" if config.comparison_bits is not None else "chosen by calibration, which --calibration IMAGES gives"
    return [
        *([] if model.mode is None else [f"The file holds several modes; counted is mode {model.mode}."]),
        RULE,
        f"Rounds and bytes: for {images}. A round is a one-way hop, half a round trip. Online: bytes of the party that sends "
        "more in all; offline, before the image is known: what the party receives that receives more in all.",
        f"Bits: how many of a value a comparison of one-trip reads ({chosen}); each costs 16 bytes of key for a ReLU.",
        *(f"  {name}: {protocols.PROTOCOLS[name].summary}" for name in names),
    ]


def main(arguments: list[str] | None = None) -> int:
    return command(print_count, CountConfig, arguments, positional={"model": (Path, "the ONNX file")})


def _of_layer(costs: Mapping[str, Mapping[str, Cost]], layer: str) -> dict[str, Cost]:
    return {protocol: by_layer[layer] for protocol, by_layer in costs.items()}


def _row(operation: Operation, costs: Mapping[str, Cost], bits: int | None) -> Row:
    kept, relus = (operation.kept, operation.size) if isinstance(operation, ReLU) else (0, 0)
    op = operation.onnx_op if isinstance(operation, Unknown) else operation.op
    return Row(operation.name, op, operation.shape, operation.parameters, operation.macs, kept, relus, bits, costs)


def _cells(row: Row, sums: Row, protocols: Sequence[str]) -> list[Text]:
    shape = "x".join(map(str, row.shape))
    relus = [f"{row.relu_kept:,}", f"{row.relu_total:,}"] if row.relu_total else ["", ""]
    sizes = [short_count(value) if value else "" for value in (row.parameters, row.macs)]
    cells = [plain(row.name), plain(row.op), shape, *sizes, *relus, "" if row.bits is None else str(row.bits)]
    for protocol in protocols:
        if protocol not in row.costs:
            cells += ["-", "-", "-"]
            continue
        cost, whole = row.costs[protocol], sums.costs[protocol]
        online = cost.server_bytes if whole.server_bytes > whole.client_bytes else cost.client_bytes
        cells += [f"{cost.rounds:,}" if cost.rounds else "", *(size(n) if n else "" for n in (online, _received(cost, whole)))]
    return [Text(cell) for cell in cells]


def _received(cost: Cost, whole: Cost) -> int:
    """Bytes offline for the party that receives more in all."""
    server, client = (received(whole.offline, party) for party in ("server", "client"))
    return received(cost.offline, "server" if server >= client else "client")
