"""How fast an evaluation is: attacks beside those of torchattacks, and corruptions in batches beside image by image.

python -m rlnet.benchmark evaluate --path runs/cifar10-subset/relu-12500/student --output results/benchmark/evaluate.json
"""

import statistics
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from rlnet.accuracy import random_part
from rlnet.card import network_title, provenance
from rlnet.comparison.attacks import AttackTimer
from rlnet.comparison.card import write_card
from rlnet.comparison.config import EvaluationBenchmarkConfig
from rlnet.comparison.corruptions import ALL, time_corruptions
from rlnet.config import plain
from rlnet.data import load
from rlnet.data.batches import evaluation_batch
from rlnet.data.corruptions import SEVERITIES
from rlnet.evaluation.config import corruption_names, step_fraction
from rlnet.evaluation.paths import has_two_paths
from rlnet.progress import bar
from rlnet.trained import load_with_facts, origin_of
from rlnet.training import distributed
from rlnet.training.device import resolve


def benchmark_evaluation(config: EvaluationBenchmarkConfig) -> dict[str, Any]:
    """Times attacks and corruptions; prints the result and returns its card."""
    if distributed.world_size() > 1:
        raise ValueError("the benchmark is of one process; start it without torchrun")
    network, facts = load_with_facts(config.path)
    origin = origin_of(config.path, facts)
    mode = "adversarial" if has_two_paths(network) else "normal"
    eps, fraction = float(origin.attack.eps), step_fraction(origin.attack)
    compute = resolve(config.device, "auto" if config.also_bf16 == "auto" else "bf16" if config.also_bf16 else "fp32")
    device, bf16 = compute.device, compute.precision == "bf16"
    network = network.to(device)
    timer = AttackTimer(network, mode, eps, fraction, config.batch_size, config.seed, config.authors, bf16)
    sides = sum(timer.sides(name, len(facts.classes)) for name in config.attacks)
    test = load(origin.data, origin.seed).test
    attacked, corrupted = random_part(test, config.images), random_part(test, config.corrupted_images)
    x, labels = (values.to(device) for values in evaluation_batch(attacked, torch.arange(len(attacked))))
    names = corruption_names(config.corruptions)
    steps = sides * -(-len(x) // config.batch_size) + len(names) * (config.repeats + 1)
    card: dict[str, Any] = {
        "kind": "evaluation benchmark",
        "path": str(config.path),
        "dataset": facts.dataset,
        "network": plain(facts.network),
        "mode": mode,
        "attack": {"eps": str(origin.attack.eps), "step_fraction": fraction},
        "attacks": {},
    }
    with bar("benchmark", steps) as progress:
        for name in config.attacks:
            found = timer.time(name, x, labels, progress.advance)
            ratios = (f"{other['total_ratio']:.2f}x {label}" for label, other in found["references"].items())
            progress.note(f"{name} {', '.join(ratios)}")
            card["attacks"][name] = found
        if names:
            images, _ = evaluation_batch(corrupted, torch.arange(len(corrupted)))
            card["corruptions"] = time_corruptions(images, config.repeats, names, SEVERITIES, config.seed, progress.advance)
    card |= provenance(config.seed, device, also=("torchattacks", "pyautoattack") if config.attacks else ())
    show(card)
    write_card(card, config.output)
    return card


def show(card: dict[str, Any]) -> None:
    """Prints how long attacks and corruptions took."""
    console, network = Console(), card["network"]
    table = Table(title=f"{network_title(network)}, on {card['dataset']}; eps {card['attack']['eps']}")
    table.add_column("attack")
    for header in ("ms per image", "to ours", "range", "robust"):
        table.add_column(header, justify="right")
    for name, found in card["attacks"].items():
        for label, side in {"ours": found["ours"], **found["references"]}.items():
            table.add_row(
                f"{name}, {label}",
                f"{statistics.mean(side['ms_per_image']):.1f}",
                f"{side['total_ratio']:.2f}x" if "ratio" in side else "",
                f"{min(side['ratio']):.2f} to {max(side['ratio']):.2f}" if "ratio" in side else "",
                f"{side['robust_accuracy']:.1%}",
            )
    if card["attacks"]:
        console.print(table)
    if "corruptions" in card:
        found = card["corruptions"]
        ratios = found["ms_per_image"][ALL]["ratio"]
        console.print(
            f"{found['sets']} corruption sets of {found['images']:,} images: {statistics.median(ratios):.1f}x faster in "
            f"batches than image by image ({min(ratios):.1f} to {max(ratios):.1f} in {len(ratios)} pairs)",
            highlight=False,
        )
