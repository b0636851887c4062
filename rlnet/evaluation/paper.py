"""The three accuracies as RLNet (Sarkar et al. 2024, Sec. 3.1) reports them: CA, NPA in mode normal, AdvA in mode adversarial.

What the stages of the pipeline put into their cards; `rlnet.evaluate` measures everything else too.
"""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from rlnet.attacks import AttackConfig
from rlnet.data import ImageSet
from rlnet.evaluation import cards
from rlnet.evaluation.config import EvaluationConfig, step_fraction
from rlnet.evaluation.journal import Journal
from rlnet.evaluation.outcomes import hits
from rlnet.evaluation.paths import fingerprint, open_paths
from rlnet.evaluation.plan import attack_parts, outcomes, seen_parts
from rlnet.evaluation.work import do
from rlnet.training import distributed


def paper_accuracies(
    network: nn.Module,
    test: ImageSet,
    config: EvaluationConfig,
    attack: AttackConfig,
    device: torch.device,
    seed: int,
    name: str,
    folder: Path | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The accuracies, fractions of 1, and what they rest on (image counts, 95% intervals, each corruption).

    attack: its eps and the length of its steps are those of all attacks. folder: keeps what is done until all of it is, so
    that an interrupted evaluation goes on.
    """
    with open_paths(network, ("normal",)) as normal, open_paths(network, ("adversarial",)) as adversarial:
        parts = seen_parts(normal, test, config, device)
        fraction = step_fraction(attack)
        parts |= attack_parts(adversarial, ("adversarial",), test, config, device, attack.eps, fraction)
        with Journal(folder, distributed.rank()) as journal:
            try:
                done = do(list(parts.values()), fingerprint(network), seed, journal, device, name)
            except FloatingPointError as error:
                raise FloatingPointError(f"{name}: {error}") from error
            found = outcomes(dict(zip(parts, done, strict=True)), config.attacks)
            distributed.barrier()
            journal.delete()
    robust = {attack_name: hits(found.robust("adversarial", attack_name)) for attack_name in config.attacks}
    accuracy = cards.accuracies(found, "normal") | {"adversarial": {key: value.accuracy for key, value in robust.items()}}
    clean, corrupted = hits(found.clean["normal"]), found.corruptions_of("normal")
    basis = {
        "images": {
            "clean": clean.n,
            "corrupted": len(next(iter(found.corrupted.values()))["normal"]) if corrupted else 0,
            "adversarial": next(iter(robust.values())).n if robust else 0,
        },
        "ci95": {"clean": clean.ci95, "adversarial": {key: value.ci95 for key, value in robust.items()}},
        "attack": {"eps": str(attack.eps), "step_size": str(attack.step_size), "random_starts": 1},
        "corruptions": corrupted,
    }
    return accuracy, basis
