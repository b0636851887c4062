"""What can be measured of a network: clean, corrupted, attacked, crafted on one path and shown to the other, and more.

Every function makes one `Part`. Whether a prediction is right is recorded image by image under the mode's name.
"""

from collections.abc import Callable
from dataclasses import fields

import torch
from torch import Tensor

from rlnet.attacks import Attack, Draws, GradientSign, Pixels, Stage, robust_under
from rlnet.data import ImageSet
from rlnet.data.corruptions import corrupt
from rlnet.evaluation.adaptive import attack_switch
from rlnet.evaluation.paths import Paths
from rlnet.evaluation.work import Part

LARGEST_BATCH = {"cpu": 250, "cuda": 500}
LONG_ATTACK_PASSES, LONG_ATTACK_BATCH = 2000, {"cpu": 100, "cuda": 500}  # so that a kill costs minutes at most


def batch_size(device: torch.device, passes: int) -> int:
    """Images per piece of work."""
    return (LONG_ATTACK_BATCH if passes > LONG_ATTACK_PASSES else LARGEST_BATCH)[device.type]


def _seen_by(paths: Paths, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Whether each mode is right on each image, and with two paths the confidence by which "auto" chooses."""
    logits = paths.logits(x)
    found = {mode: z.argmax(dim=1) == labels for mode, z in logits.items()}
    if paths.switch is not None:
        found["confidence"] = paths.switch.confidence(logits["normal"], logits["adversarial"])
    return found


def _about(paths: Paths, *settings: object) -> str:
    return "; ".join(map(str, (*paths.by_path, paths.switch, *settings)))


def _written(attack: Attack) -> str:
    """An attack's settings, the same in every process."""
    values = {field.name: getattr(attack, field.name) for field in fields(attack)}
    return f"{type(attack).__name__} { ({k: getattr(v, '__name__', v) for k, v in values.items()}) }"


def clean(paths: Paths, images: ImageSet, device: torch.device) -> Part:
    """The images as they are: modes right or wrong, and the switch's confidence."""

    def measure(x: Tensor, labels: Tensor, draws: Draws) -> dict[str, Tensor]:
        return _seen_by(paths, x, labels)

    return Part("clean", _about(paths), images, measure, 1, batch_size(device, 1))


def corrupted(paths: Paths, images: ImageSet, device: torch.device, name: str, severity: int, key: str | None = None) -> Part:
    """Corrupted images. key: of the benchmark's files that hold them; None corrupts the images here."""

    def measure(x: Tensor, labels: Tensor, draws: Draws) -> dict[str, Tensor]:
        if key is None:
            x = corrupt(x.cpu(), name, severity, generator=torch.Generator().manual_seed(draws.seed)).to(x.device)
        return _seen_by(paths, x.contiguous(memory_format=torch.channels_last), labels)

    return Part(f"{name}/{severity}", _about(paths), images, measure, 1, batch_size(device, 1), key)


def attacked(
    paths: Paths, images: ImageSet, device: torch.device, mode: str, name: str, stages: tuple[Stage, ...], eps: Pixels
) -> Part:
    """Images attacked on the classifier of a mode; "fooled_by" is the stage that fooled it, -1 none, -2 wrong anyway."""
    classifier, search = paths.classifier(mode), paths.search(mode)
    passes = sum(attack.passes for _, attack in stages)

    def measure(x: Tensor, labels: Tensor, draws: Draws) -> dict[str, Tensor]:
        return {"fooled_by": robust_under(classifier, x, labels, stages, float(eps), draws, search)[1]}

    rule = (paths.switch if mode == "auto" else None, *(["searched in bf16"] if search else []))
    settings = "; ".join(map(str, (mode, *rule, *(_written(attack) for _, attack in stages), float(eps))))
    return Part(f"{mode} under {name} at {eps}", settings, images, measure, passes, batch_size(device, passes))


def crafted(
    paths: Paths,
    images: ImageSet,
    device: torch.device,
    origin: str,
    source: Callable[[Tensor], Tensor],
    name: str,
    attack: GradientSign,
    eps: Pixels,
) -> Part:
    """Images crafted on another classifier, or on one path, and shown to every mode.

    origin: says which, with a fingerprint if it is another network. attack: takes all its steps, whether an image fools its
    source or not. "source" is whether the source itself is right.
    """

    def measure(x: Tensor, labels: Tensor, draws: Draws) -> dict[str, Tensor]:
        x_adv = attack(source, x, labels, float(eps), draws.stream(name))
        return {"source": source(x_adv).argmax(dim=1) == labels, **_seen_by(paths, x_adv, labels)}

    settings = _about(paths, origin, _written(attack), float(eps))
    title = f"{name} crafted on {origin.partition(':')[0]}"
    return Part(title, settings, images, measure, attack.passes, batch_size(device, attack.passes))


def adaptive(paths: Paths, images: ImageSet, device: torch.device, name: str, attack: GradientSign, eps: Pixels) -> Part:
    """Mode "auto" under the attack that knows its switch; whether it is wrong by the path through which it was attacked."""

    def measure(x: Tensor, labels: Tensor, draws: Draws) -> dict[str, Tensor]:
        return attack_switch(paths, x, labels, float(eps), attack, draws)

    settings = _about(paths, _written(attack), float(eps))
    passes = 4 * attack.passes  # two paths, and two ways to go
    return Part(f"auto under {name} that knows the switch", settings, images, measure, passes, batch_size(device, passes))
