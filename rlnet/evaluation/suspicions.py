"""Signs that a robust accuracy is not what it seems, in the manner of AutoAttack's flags (Croce & Hein 2020).

Each is a name and a sentence with the figures; `docs/evaluation.md` says what each means and what to do. Differences count only
beyond noise: for paired outcomes on the same images, two standard deviations of the number of images on which they differ.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from rlnet.attacks import ROBUST, WRONG, Classifier
from rlnet.attacks.attack import input_gradient
from rlnet.evaluation.outcomes import Outcomes, hits

Suspicion = dict[str, str]

PROBED = 32
TOLERANCE = 1e-3
ZERO_GRADIENTS = 0.01
LARGE_EPS = 0.5  # every image is as near as that to grey, so that one class at most withstands all attacks
# Attacks from weak to strong: each does all that the one before does, and more.
LADDERS = (
    ("fgsm", "pgd-7", "pgd-20", "pgd-50", "pgd-100"),
    ("pgd-20", "apgd-ce", "autoattack"),
    ("apgd-dlr", "apgd-t", "autoattack"),
)
GRADIENT_FREE = "square"
TOO_WEAK = "fgsm"  # that Square fools more images than one step says nothing about the gradient


def of_classifier(mode: str, classifier: Classifier, x: Tensor, labels: Tensor) -> list[Suspicion]:
    """What a few images (B, C, H, W) show of a classifier that no attack may assume: constant, one image at a time, logits."""
    x, labels = x[:PROBED], labels[:PROBED]
    found = []
    with torch.no_grad():
        logits, again = classifier(x), classifier(x)
        alone = torch.cat([classifier(image[None]) for image in x])
    scale = logits.abs().amax().clamp(min=1e-12)
    if ((logits - again).abs().amax() / scale) > TOLERANCE:
        found.append(_suspicion("random", f"{mode}: two passes over the same images give different logits"))
    elif ((logits - alone).abs().amax() / scale) > TOLERANCE:
        found.append(_suspicion("batch-statistics", f"{mode}: an image's logits depend on the other images of its batch"))
    if (logits >= 0).all() and (logits.sum(dim=1) - 1).abs().amax() < TOLERANCE:
        found.append(_suspicion("probabilities", f"{mode}: the outputs are probabilities, not logits"))
    with torch.enable_grad():
        images = x.detach().requires_grad_()
        gradient = input_gradient(F.cross_entropy(classifier(images), labels, reduction="none"), images)
    zero = float((gradient.flatten(1) == 0).all(dim=1).double().mean())
    if zero >= ZERO_GRADIENTS:
        found.append(_suspicion("zero-gradients", f"{mode}: the gradient is exactly zero for {zero:.0%} of {len(x)} images"))
    return found


def of_outcomes(outcomes: Outcomes) -> list[Suspicion]:
    """What the outcomes of an evaluation show."""
    found: list[Suspicion] = []
    for mode in outcomes.modes:
        found += _weaker(mode, outcomes)
        found += _square(mode, outcomes)
        found += _other_path(mode, outcomes)
    return found + list(_plateau(outcomes)) + list(_helped(outcomes))


def _suspicion(name: str, text: str) -> Suspicion:
    return {"name": name, "text": text}


def is_beyond_noise(more: Tensor, less: Tensor) -> bool:
    """Whether `more` is true on more images than `less`, paired bools (N,), beyond chance (McNemar's test at two sigma)."""
    only_more, only_less = int((more & ~less).sum()), int((less & ~more).sum())
    return only_more - only_less > 2 * sqrt(only_more + only_less)


def _weaker(mode: str, outcomes: Outcomes) -> Iterator[Suspicion]:
    for ladder in LADDERS:
        measured = [attack for attack in ladder if (mode, attack) in outcomes.attacked]
        for weak, strong in combinations(measured, 2):
            robust = {attack: outcomes.robust(mode, attack) for attack in (weak, strong)}
            if is_beyond_noise(robust[strong], robust[weak]):
                values = {attack: f"{hits(right).accuracy:.1%}" for attack, right in robust.items()}
                text = f"{mode}: {strong} ({values[strong]}) finds less than {weak} ({values[weak]})"
                yield _suspicion("stronger-is-weaker", text)


def _square(mode: str, outcomes: Outcomes) -> Iterator[Suspicion]:
    """Images that only the attack without gradients finds, in a chain or beside the others."""
    for (its_mode, attack), outcome in outcomes.attacked.items():
        names = outcomes.stages[attack]
        if its_mode != mode or not any(name.startswith(GRADIENT_FREE) for name in names):
            continue
        index = next(i for i, name in enumerate(names) if name.startswith(GRADIENT_FREE))
        found = outcome["fooled_by"] == index
        others = [
            ~_found_by_gradient(outcomes, mode, other)
            for m, other in outcomes.attacked
            if m == mode and other != attack and any(map(_follows_gradients, outcomes.stages[other]))
        ]
        if not any(map(_follows_gradients, names[:index])) and not others:  # no such attack has tried these images
            continue
        found &= torch.stack([~torch.zeros_like(found), *others]).all(dim=0)
        if (count := int(found.sum())) > max(1, 0.005 * len(found)):
            text = f"{mode}: Square, which sees no gradient, fools {count} of {len(found)} images that no gradient attack did"
            yield _suspicion("square-beats-gradients", text)


def _follows_gradients(stage: str) -> bool:
    return stage != TOO_WEAK and not stage.startswith(GRADIENT_FREE)


def _found_by_gradient(outcomes: Outcomes, mode: str, attack: str) -> Tensor:
    """Whether a stage that follows gradients fooled the mode, bool (N,)."""
    fooled_by = outcomes.attacked[mode, attack]["fooled_by"]
    found = torch.zeros_like(fooled_by, dtype=torch.bool)
    for index, name in enumerate(outcomes.stages[attack]):
        if not name.startswith(GRADIENT_FREE):
            found |= fooled_by == index
    return found


def _other_path(mode: str, outcomes: Outcomes) -> Iterator[Suspicion]:
    """Images made for another path that fool this one more often than those made for it."""
    for (origin, attack), outcome in outcomes.crafted.items():
        own = outcomes.attacked.get((mode, attack))
        if own is None or origin == mode:
            continue
        robust, transferred = own["fooled_by"] == ROBUST, outcome[mode].bool()
        if is_beyond_noise(robust, transferred):
            values = f"{hits(transferred).accuracy:.1%} against {hits(robust).accuracy:.1%}"
            text = f"{mode}: {attack} made on {origin} fools it more often than {attack} on itself ({values})"
            yield _suspicion("transfer-beats-own", text)


def _plateau(outcomes: Outcomes) -> Iterator[Suspicion]:
    by_mode: dict[tuple[str, str], list[tuple[float, str, Tensor]]] = {}
    for (mode, attack, eps), outcome in outcomes.curve.items():
        by_mode.setdefault((mode, attack), []).append((float(eps), str(eps), outcome["fooled_by"] == ROBUST))
    for (mode, attack), points in by_mode.items():
        points.sort(key=lambda point: point[0])
        for (_, small, before), (_, large, after) in pairwise(points):
            if is_beyond_noise(after, before):
                yield _suspicion("rises-with-eps", f"{mode}: more images withstand {attack} at {large} than at {small}")
        eps, written, robust = points[-1]
        if eps >= LARGE_EPS and hits(robust).ci95[0] > 0.01:
            value = f"{hits(robust).accuracy:.1%}"
            yield _suspicion(
                "never-falls-to-zero", f"{mode}: {value} withstand {attack} at {written}, where any image can be made"
            )


def _helped(outcomes: Outcomes) -> Iterator[Suspicion]:
    """Attacked images that are recognised more often than clean ones: label leaking (Kurakin et al. 2017, arXiv:1611.01236)."""
    for (origin, attack), outcome in outcomes.crafted.items():
        own = outcomes.attacked.get((origin, attack))
        if own is None:
            continue
        attacked, clean = outcome[origin].bool(), own["fooled_by"] != WRONG
        if is_beyond_noise(attacked, clean):
            values = f"{hits(attacked).accuracy:.1%} against {hits(clean).accuracy:.1%}"
            yield _suspicion("label-leak", f"{origin}: {attack} makes images that are recognised more often ({values})")
