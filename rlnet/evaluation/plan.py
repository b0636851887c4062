"""The parts of a full evaluation, and their outcomes put in order."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from rlnet.accuracy import random_part
from rlnet.attacks import GradientSign, Pixels, named
from rlnet.data import ImageSet
from rlnet.data.corrupted_sets import CorruptedSet
from rlnet.data.corruptions import SEVERITIES
from rlnet.evaluation import parts
from rlnet.evaluation.config import EvaluationConfig, FullConfig, can_craft, corruption_names
from rlnet.evaluation.outcomes import Found, Outcomes
from rlnet.evaluation.paths import Paths
from rlnet.evaluation.work import Part
from rlnet.lists import Names

CURVE_ATTACK = "pgd-20"
Key = tuple[Hashable, ...]


@dataclass(frozen=True)
class Source:
    """Another network's classifier, on which images are crafted, and what tells it from others: its path and fingerprint."""

    classifier: Callable[[Tensor], Tensor]
    fingerprint: str


def seen_parts(
    paths: Paths, test: ImageSet, config: EvaluationConfig, device: torch.device, official: CorruptedSet | None = None
) -> dict[Key, Part]:
    """Clean and corrupted images. official: take them from the benchmark's files; a corruption that these lack is made here."""
    found: dict[Key, Part] = {("clean",): parts.clean(paths, random_part(test, config.limit), device)}
    limit = config.limit_of("corruption")
    images = random_part(test, limit)
    for name in corruption_names(config.corruptions):
        for severity in SEVERITIES:
            its_images, key = images, None
            if official is not None and name in official.corruptions:
                its_images = random_part(official.image_set(name, severity), limit)
                key = f"{official.key(name, severity)}, at most {limit}"
            found["corrupted", name, severity] = parts.corrupted(paths, its_images, device, name, severity, key)
    return found


def attack_parts(
    paths: Paths,
    modes: Iterable[str],
    test: ImageSet,
    config: EvaluationConfig,
    device: torch.device,
    eps: Pixels,
    fraction: float,
) -> dict[Key, Part]:
    """Every attack on every mode, at one eps. fraction: length of the attacks' steps, in units of eps."""
    images = random_part(test, config.limit_of("attack"))
    return {
        ("attacked", mode, name): parts.attacked(paths, images, device, mode, name, named(name, fraction), eps)
        for mode in modes
        for name in config.attacks
    }


def full_parts(
    paths: Paths,
    test: ImageSet,
    config: FullConfig,
    device: torch.device,
    eps: Pixels,
    fraction: float,
    official: CorruptedSet | None,
    source: Source | None,
) -> dict[Key, Part]:
    """All that `FullConfig` asks for."""
    images = random_part(test, config.limit_of("attack"))
    found = seen_parts(paths, test, config, device, official)
    found |= attack_parts(paths, paths.modes, test, config, device, eps, fraction)
    makers = crafting(config.attacks, fraction)
    origins = dict(paths.by_path) if len(paths.by_path) > 1 else {}
    if source is not None:
        origins[f"source:{source.fingerprint}"] = source.classifier
    for origin, classifier in origins.items():
        for name, attack in makers.items():
            key = ("crafted", origin.partition(":")[0], name)
            found[key] = parts.crafted(paths, images, device, origin, classifier, name, attack, eps)
    for mode in paths.by_path:
        for distance in config.curve:
            stages = named(CURVE_ATTACK, fraction)
            found["curve", mode, CURVE_ATTACK, distance] = parts.attacked(
                paths, images, device, mode, CURVE_ATTACK, stages, distance
            )
    if paths.switch is not None:
        attack = crafting((config.adaptive,), fraction)[config.adaptive]
        found["adaptive",] = parts.adaptive(paths, images, device, config.adaptive, attack, eps)
    return found


def crafting(attacks: Names, fraction: float = 0.25) -> dict[str, GradientSign]:
    """Those of the attacks that can make images for other networks, by name; they then take all their steps."""
    found = {}
    for name in filter(can_craft, attacks):
        ((_, found[name]),) = named(name, fraction, stop_early=False)
    return found


def outcomes(found: dict[Key, Found], attacks: Iterable[str]) -> Outcomes:
    """The outcomes by key, put in order."""

    def of(kind: str) -> dict[Key, Found]:
        return {key[1:]: outcome for key, outcome in found.items() if key[0] == kind}

    stages = {name: tuple(stage for stage, _ in named(name)) for name in attacks}
    return Outcomes(
        found["clean",],
        of("corrupted"),
        of("attacked"),
        of("curve"),
        of("crafted"),
        found.get(("adaptive",)),
        stages,
    )
