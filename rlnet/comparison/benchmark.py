"""The table and the card of our training steps beside plain ones: how long they take, and whether accuracy pays for it."""

import statistics
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.table import Table

from rlnet.card import network_title, provenance
from rlnet.comparison.accuracy import compare
from rlnet.comparison.card import write_card
from rlnet.comparison.config import BenchmarkConfig
from rlnet.comparison.steps import SITE_BATCH, SITE_SHAPE, time_steps
from rlnet.training import distributed
from rlnet.training.device import Compute, resolve


def show_steps(card: dict[str, Any]) -> None:
    """Prints how long the steps took, and what a partial ReLU keeps for its backward pass."""
    network, relu = card["network"], card["relu"]
    table = Table("forward and backward", title=f"{network_title(network)}, batches of {card['batch_size']}")
    for header in ("ours", "reference", "ratio", "range"):
        table.add_column(header, justify="right")
    for name, found in card["ms_per_image"].items():
        ours, reference, ratio = (f"{statistics.median(found[key]):.2f}" for key in ("ours", "reference", "ratio"))
        table.add_row(
            f"{name}, ms per image", ours, reference, ratio, f"{min(found['ratio']):.2f} to {max(found['ratio']):.2f}"
        )
    for name, found in card["saved_bytes_per_element"].items():
        ours, reference = found["ours"], found["reference"]
        table.add_row(f"bytes a partial ReLU saves {name}", f"{ours:.2f}", f"{reference:.2f}", f"{reference / ours:.2f}", "")
    console = Console()
    console.print(table)
    pairs = len(next(iter(card["ms_per_image"].values()))["ratio"])
    console.print(
        f"Medians and range of {pairs} interleaved pairs; PGD of {card['attack']['steps']} steps; the student keeps "
        f"{relu['budget']:,} of {relu['total']:,} ReLUs. The partial ReLU is that of a {'x'.join(map(str, SITE_SHAPE))} site, "
        f"{SITE_BATCH} images; it saves bytes per element for its backward pass, of which its output is there anyway.",
        highlight=False,
    )


def show_accuracy(card: dict[str, Any]) -> None:
    """Prints what the students are worth."""
    table = Table(title=f"students of {card['experiment']['data']['name']}, means of {card['seeds']} seeds")
    for header in ("", "ours", "reference", "difference", "95% interval"):
        table.add_column(header, justify="right")
    for name, difference in card["difference"].items():
        means = [statistics.mean(student[name] for student in students) for students in card["accuracy"].values()]
        interval = f"[{difference['low']:+.1%}, {difference['high']:+.1%}]"
        table.add_row(name, *(f"{mean:.1%}" for mean in means), f"{difference['mean']:+.1%}", interval)
    Console().print(table)


def precision_line(asked: str, compute: Compute) -> str:
    """Which number formats are compared, and who chose ours."""
    kind = compute.device.type
    has = f"this {kind} computes in bf16" if compute.precision == "bf16" else f"this {kind} has no bf16 arithmetic"
    why = f"auto: {has}" if asked == "auto" else "as asked"
    return f"ours in {compute.precision} ({why}), the reference in fp32, on {kind}"


def benchmark(config: BenchmarkConfig) -> dict[str, Any]:
    """Times the steps or compares the accuracies; prints the result and returns its card."""
    if distributed.world_size() > 1:
        raise ValueError("the benchmark is of one process; start it without torchrun")
    compute = resolve(config.device, config.precision)
    Console().print(precision_line(config.precision, compute), highlight=False)
    if config.accuracy:
        settings = {"seed": config.seed, "device": config.device, "precision": config.precision}
        card = compare(replace(config.experiment, **settings), config.seeds)
        show_accuracy(card)
    else:
        card = time_steps(config, compute)
        show_steps(card)
    card = {"kind": "benchmark", "precision": compute.precision, **card, **provenance(config.seed, compute.device)}
    write_card(card, config.output)
    return card
