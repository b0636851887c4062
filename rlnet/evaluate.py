"""The three accuracies of a trained network: clean (CA), naturally corrupted (NPA) and adversarial (AdvA).

    python -m rlnet.evaluate runs/digits/relu-50k/student

RLNet (Sarkar et al. 2024), Sec. 3.1: CA and NPA in mode normal, AdvA in mode adversarial under PGD on that mode's own path.
"""

import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from rlnet.accuracy import hits, random_part
from rlnet.attacks import AttackConfig
from rlnet.cli import command
from rlnet.config import EvaluationConfig
from rlnet.data import DataConfig, Dataset, load
from rlnet.data.corruptions import CORRUPTIONS, corrupt
from rlnet.models import ModeNetwork
from rlnet.progress import bar
from rlnet.report import accuracy_table
from rlnet.trained import load_with_facts
from rlnet.training import distributed
from rlnet.training.device import Compute, resolve

SEVERITIES = (1, 2, 3, 4, 5)


def named_attack(name: str, training: AttackConfig) -> AttackConfig:
    """The attack of a name such as pgd-20: PGD of so many steps with the training attack's eps and step size."""
    match = re.fullmatch(r"pgd-([1-9]\d*)", name)
    if match is None:
        raise ValueError(f"the attack {name!r} is not known; write pgd- and its number of steps, for instance pgd-20")
    return replace(training, steps=int(match[1]))


def evaluate(
    network: ModeNetwork,
    dataset: Dataset,
    config: EvaluationConfig,
    attack: AttackConfig,
    compute: Compute,
    seed: int = 0,
    name: str = "evaluate",
) -> tuple[dict, dict]:
    """The accuracies on the test set, fractions of 1, and what they rest on (image counts, 95% intervals, each corruption).

    NPA is the mean over the corruptions of the mean over five severities; None when it was not asked for.
    """
    attacks = {attack_name: named_attack(attack_name, attack) for attack_name in config.attacks}
    corruptions = CORRUPTIONS if config.corruptions else ()
    part = random_part(dataset.test, config.corruption_limit)
    attacked = random_part(dataset.test, config.attack_limit)
    by_corruption: dict[str, list[float]] = {}
    by_attack = {}
    with bar(name, 1 + len(corruptions) * len(SEVERITIES) + sum(a.steps for a in attacks.values())) as progress:
        clean = hits(network, dataset.test, "normal", compute, seed=seed)
        progress.advance()
        for corruption in corruptions:
            by_corruption[corruption] = []
            for severity in SEVERITIES:

                def change(x, generator, corruption=corruption, severity=severity):
                    return corrupt(x, corruption, severity, generator=generator)

                result = hits(network, part, "normal", compute, change=change, seed=seed)
                by_corruption[corruption].append(result.accuracy)
                progress.advance()
        for attack_name, its_config in attacks.items():
            by_attack[attack_name] = hits(network, attacked, "adversarial", compute, attack=its_config, seed=seed)
            progress.advance(its_config.steps)
    severity_means = [sum(values) / len(values) for values in by_corruption.values()]
    accuracy = {
        "clean": clean.accuracy,
        "corrupted": sum(severity_means) / len(severity_means) if severity_means else None,
        "adversarial": {attack_name: result.accuracy for attack_name, result in by_attack.items()},
    }
    basis = {
        "images": {"clean": clean.n, "corrupted": len(part) if corruptions else 0, "adversarial": len(attacked)},
        "ci95": {"clean": clean.ci95, "adversarial": {name: result.ci95 for name, result in by_attack.items()}},
        "attack": {"eps": str(attack.eps), "step_size": str(attack.step_size), "random_starts": 1},
        "corruptions": by_corruption,
    }
    return accuracy, basis


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluates a trained network on a test set.

    Args:
        device: where to compute; auto takes a GPU if there is one.
        seed: of the attack's random starts and the corruptions.
        data: the images; their classes must be the network's.
        attack: eps and step size of the attacks.
        evaluation: what to measure.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    attack: AttackConfig = field(default_factory=AttackConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


def evaluate_file(path: Path, config: EvaluateConfig) -> dict:
    """The accuracies of a stage folder's or checkpoint's network; prints them as a table."""
    network, facts = load_with_facts(path)
    dataset = load(config.data, config.seed)
    if dataset.classes != facts.classes or dataset.image_shape != facts.image_shape:
        raise ValueError(
            f"{path} was trained on {facts.dataset} ({len(facts.classes)} classes, images {facts.image_shape}), which "
            f"{dataset.name} is not ({len(dataset.classes)} classes, images {dataset.image_shape}); choose it with --data.name"
        )
    compute = resolve(config.device, "fp32", distributed.local_rank())
    accuracy, basis = evaluate(network.to(compute.device), dataset, config.evaluation, config.attack, compute, config.seed)
    if distributed.rank() == 0:
        Console().print(accuracy_table({str(path): accuracy}))
    return {"accuracy": accuracy, "evaluation": basis}


def main(arguments: list[str] | None = None) -> int:
    return command(evaluate_file, EvaluateConfig, arguments, positional={"path": (Path, "stage folder or checkpoint")})


if __name__ == "__main__":
    sys.exit(main())
