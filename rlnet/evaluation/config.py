"""What an evaluation measures, in the words of the command line, and what those words stand for."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, get_args

from rlnet.attacks.config import AttackConfig, Pixels
from rlnet.attacks.names import check_classes, parse_attack
from rlnet.data.config import DataConfig
from rlnet.data.corruptions.names import CORRUPTIONS, EXTRA, SMALLEST_SIDE
from rlnet.lists import Distances, Names, written
from rlnet.models.words import SCORES, Score
from rlnet.training.config import Precision

Reported = Literal["both", "normal", "adversarial", "auto"]
GROUPS = {"benchmark": CORRUPTIONS, "extra": EXTRA, "all": CORRUPTIONS + EXTRA}
PAPER_ATTACKS = Names(("pgd-7", "pgd-20", "fgsm", "apgd-ce"))
CURVE = Distances(("2/255", "8/255", "32/255", "128/255"))


@dataclass(frozen=True)
class EvaluationConfig:
    """The evaluation on the test set.

    Args:
        attacks: fgsm, pgd-7, pgd-20x5 (5 restarts), mi-fgsm, cw, deepfool, apgd-ce, apgd-dlr, apgd-t, fab-t, square,
            autoattack, or several in a chain, pgd-20+square; with commas between them. The first one is the table's AdvA.
        corruptions: benchmark (the fifteen at five severities), extra (the four others), all, none, or their names.
        limit: at most this many test images for everything.
        corruption_limit: at most this many test images for the corruptions.
        attack_limit: at most this many test images for each attack.
    """

    attacks: Names = Names(("pgd-7", "pgd-20"))
    corruptions: Names = Names(("benchmark",))
    limit: int | None = None
    corruption_limit: int | None = None
    attack_limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("attacks", "corruptions"):
            object.__setattr__(self, name, Names(getattr(self, name)))
        for name in ("limit", "corruption_limit", "attack_limit"):
            if (limit := getattr(self, name)) is not None and limit < 1:
                raise ValueError(f"{name} is {limit}; give at least 1 image, or null for all")
        corruption_names(self.corruptions)
        for name in self.attacks:
            parse_attack(name)

    def limit_of(self, what: Literal["corruption", "attack"]) -> int | None:
        """At most how many images are corrupted or attacked."""
        limits = [limit for limit in (self.limit, getattr(self, f"{what}_limit")) if limit is not None]
        return min(limits, default=None)


@dataclass(frozen=True)
class FullConfig(EvaluationConfig):
    """An evaluation of everything that is known of a network: both modes, the curve over eps, crafted images, the switch.

    Args:
        mode: which modes to report; auto is both and the automatic switch between them.
        attacks: fgsm, pgd-7, pgd-20x5 (5 restarts), mi-fgsm, cw, deepfool, apgd-ce, apgd-dlr, apgd-t, fab-t, square,
            autoattack, or several in a chain, pgd-20+square; with commas between them. The first one is the table's AdvA.
            The default are the paper's four.
        eps: radius of the attacks in [0, 1] pixels; by default that of the network's training, or 8/255.
        curve: the robust accuracy is also measured at these radii, with pgd-20; none leaves that out.
        adaptive: the attack on the automatic switch, which knows it; one along the gradient's sign.
        score: what the automatic switch goes by: agreement (how far the adversarial path believes the normal path's answer), or
            the confidence of the normal or of the adversarial path in its own answer.
        clean_loss: how much accuracy on clean held-out images the automatic switch may cost; sets its threshold.
        search: in what attacks compute while they search; bf16 is about twice as fast where the hardware has it. Whether an
            image fools the network is judged in fp32 either way.
    """

    mode: Reported = "both"
    attacks: Names = PAPER_ATTACKS
    eps: Pixels | None = None
    curve: Distances = CURVE
    adaptive: str = "pgd-50"
    score: Score = "agreement"
    clean_loss: float = 0.01
    search: Precision = "fp32"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "curve", Distances(self.curve))
        object.__setattr__(self, "eps", None if self.eps is None else Pixels(self.eps))
        for name, choices in (("mode", get_args(Reported)), ("score", SCORES), ("search", get_args(Precision))):
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"{name} is {value!r}; choose one of {', '.join(choices)}")
        if self.eps is not None and not 0 <= self.eps <= 1:
            raise ValueError(f"eps is a distance in [0, 1] pixels, for instance 8/255; not {self.eps}")
        if not 0 <= self.clean_loss <= 1:
            raise ValueError(f"clean_loss is {self.clean_loss}; it is a fraction of the accuracy, for instance 0.01")
        if not can_craft(self.adaptive):
            raise ValueError(f"adaptive is {self.adaptive!r}; it must follow the gradient's sign, for instance pgd-50")

    @property
    def paths(self) -> tuple[str, ...]:
        """The batch-norm paths that this concerns."""
        return (self.mode,) if self.mode in ("normal", "adversarial") else ("normal", "adversarial")


def step_fraction(attack: AttackConfig) -> float:
    """The length of the training attack's steps in units of its eps, which its attacks in evaluation take too."""
    return float(attack.step_size / attack.eps) if attack.eps else 0.25


def check_fits(config: EvaluationConfig, classes: int, image_shape: tuple[int, int, int]) -> None:
    """Raises ValueError where an evaluation cannot be of images (C, H, W) of so many classes."""
    for name in config.attacks:
        check_classes(name, classes)
    if corruption_names(config.corruptions) and min(image_shape[1:]) < SMALLEST_SIDE:
        raise ValueError(
            f"images of {image_shape[2]}x{image_shape[1]} pixels are too small to be corrupted; enlarge them to at least "
            f"{SMALLEST_SIDE}x{SMALLEST_SIDE}, or use --evaluation.corruptions none"
        )


def can_craft(attack: str) -> bool:
    """Whether an attack can make images for other networks: it is one, not a chain, and follows the gradient's sign."""
    found = parse_attack(attack)
    return len(found) == 1 and found[0].follows_sign


def corruption_names(words: Names) -> tuple[str, ...]:
    """The corruptions that words stand for, in the benchmark's order. Raises ValueError for an unknown one."""
    everything = GROUPS["all"]
    chosen: set[str] = set()
    for word in words:
        if word not in GROUPS and word not in everything:
            close = get_close_matches(word, [*GROUPS, *everything], 1)
            raise ValueError(
                f"there is no corruption {word!r}{f', did you mean {close[0]}?' if close else ''}; "
                f"known: {', '.join(GROUPS)}, none, {', '.join(everything)}"
            )
        chosen |= set(GROUPS.get(word, (word,)))
    return tuple(name for name in everything if name in chosen)


@dataclass(frozen=True)
class EvaluateConfig(FullConfig):
    """Evaluates a trained network on a test set: both modes, corruptions, attacks, and warnings where a number may deceive.

    Args:
        data: the images; by default those that the network was trained on, of which the test set is used.
        corruption_files: the folder of CIFAR-10-C, CIFAR-100-C or Tiny-ImageNet-C; by default the one beside the data, if it is
            there, and otherwise corruptions made here.
        source: another checkpoint or stage folder, on which images are crafted and shown to this network (black box).
        output: the folder of the results; by default `evaluation` beside the checkpoint.
        seed: of the attacks' random starts and the corruptions.
        device: where to compute; auto takes a GPU if there is one.
    """

    data: DataConfig | None = None
    corruption_files: Path | None = None
    source: Path | None = None
    output: Path | None = None
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def title(self) -> str:
        """In words: what is measured."""
        limit = "" if self.limit is None else f", at most {self.limit:,} images"
        return f"mode {self.mode}, attacks {written(self.attacks)}, corruptions {written(self.corruptions)}{limit}"

    def check_files(self) -> None:
        """Raises ValueError for folders that are named and are not there."""
        if self.data is not None:
            self.data.check_files()
        if self.corruption_files is not None and not self.corruption_files.is_dir():
            raise ValueError(
                f"{self.corruption_files} is not a folder: name the one that CIFAR-10-C or the like was unpacked to"
            )


@dataclass(frozen=True)
class CalibrateConfig:
    """Sets the threshold of the automatic switch on the held-out part of the training images.

    Args:
        score: what the switch goes by: agreement (how far the adversarial path believes the normal path's answer), or the
            confidence of the normal or of the adversarial path in its own answer.
        clean_loss: how much accuracy on clean held-out images switching may cost, a fraction of 1.
        device: where to compute; auto takes a GPU if there is one.
    """

    score: Score = "agreement"
    clean_loss: float = 0.01
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        if not 0 <= self.clean_loss <= 1:
            raise ValueError(f"clean_loss is {self.clean_loss}; it is a fraction of the accuracy, for instance 0.01")
