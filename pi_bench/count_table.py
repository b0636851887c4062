"""A count as a table for people: a row for each layer, their sums, what is sent in which direction, and what that means."""

from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pi_bench.config.count import CountConfig
from pi_bench.cost import OFFLINE_WAYS, Cost, received
from pi_bench.counting import RULE, Row, total, unknown
from pi_bench.model.operations import Model
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.units import plain, short_count, size

WIDTH = 180  # of the table where the output is no terminal


def show(path: Path, model: Model, rows: Sequence[Row], config: CountConfig) -> None:
    """Prints the table, and what its columns mean."""
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH)
    names = [each.protocol for each in config.settings]
    console.print(table(rows, names, _title(path, model)))
    if rows[0].costs:
        console.print(directions(rows, names))
    for sentence in _explained(config, names):
        console.print(Text(sentence))
    if unknown(model):
        console.print(Text("Not understood, so neither counted nor run securely:", "bold"))
    for operation in unknown(model):
        console.print(Text(f"  {operation.name} ({operation.onnx_op}): {operation.reason}"))


def _title(path: Path, model: Model) -> str:
    return plain(path.name) + ("" if model.mode is None else f", mode {plain(model.mode)}")


def table(rows: Sequence[Row], protocols: Sequence[str], title: str = "") -> Table:
    """The rows and their totals. Bytes are one-way: online of the party that sends more in all, offline what the party receives
    that receives more in all."""
    sums = total(rows)
    found = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=Text(title), title_justify="left")
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


def _explained(config: CountConfig, names: Sequence[str]) -> list[str]:
    images = "one image" if config.batch == 1 else f"a batch of {config.batch} images"
    chosen = "given" if config.comparison_bits is not None else "chosen by calibration, which --calibration IMAGES gives"
    return [
        RULE,
        f"Rounds and bytes: for {images}. A round is a one-way hop, half a round trip. Online: bytes of the party that sends "
        "more in all; offline, before the image is known: what the party receives that receives more in all.",
        f"Bits: how many of a value a comparison of one-trip reads ({chosen}); each costs 16 bytes of key for a ReLU.",
        *(f"  {name}: {PROTOCOLS[name].summary}" for name in names),
    ]


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
