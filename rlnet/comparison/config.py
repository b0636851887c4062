"""What is compared with what: training steps, their students' accuracies, attacks and corruptions."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from rlnet.attacks.config import AttackConfig
from rlnet.config import Config, SearchConfig
from rlnet.evaluation.config import EvaluationConfig, corruption_names
from rlnet.lists import Names
from rlnet.models.config import NetworkConfig
from rlnet.models.words import View
from rlnet.training.schedule import TrainConfig


@dataclass(frozen=True)
class StepsConfig:
    """The steps that are timed.

    Args:
        network: the network of the steps.
        image_size: side of its images, in pixels.
        batch_size: images per step.
        relu_budget: of the partial-ReLU student.
        attack: the adversarial view.
        repeats: how many pairs of steps are timed, after one that warms up.
        device: where to compute; auto takes a GPU if there is one.
        precision: of our steps; the reference is fp32.
        seed: of weights, batch, masks and attacks.
    """

    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(width=64))
    image_size: int = 32
    batch_size: int = 32
    relu_budget: str | int = "9%"
    attack: AttackConfig = field(default_factory=AttackConfig)
    repeats: int = 5
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("image_size", 8), ("batch_size", 2), ("repeats", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; a benchmark needs at least {least}")


def short_digits() -> Config:
    """All three stages on the digits in minutes: too short for good students, long enough for wrong arithmetic to show."""
    return Config(
        teacher=TrainConfig(epochs=4, batch_size=64, lr=0.1, schedule="cosine", warmup_epochs=1, validate_every=4),
        search=SearchConfig(epochs=1, batch_size=64, lr=0.02, score="mismatch"),
        finetune=TrainConfig(epochs=2, batch_size=64, lr=0.05, schedule="cosine", validate_every=2),
        evaluation=EvaluationConfig(attacks=("pgd-7",), corruptions=()),
    )


@dataclass(frozen=True)
class BenchmarkConfig(StepsConfig):
    """Times the training steps against plain ones, or compares the accuracies of the students of both.

    Args:
        accuracy: train students with both kinds of steps and compare their accuracies, in place of timing.
        seeds: how many students of each kind are trained; the first has the seed above, the others those that follow.
        experiment: how they are trained; its seed, device, precision and runs are not used.
        output: also write a card to this file.
    """

    accuracy: bool = False
    seeds: int = 3
    experiment: Config = field(default_factory=short_digits)
    output: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds < 2:
            raise ValueError(f"seeds is {self.seeds}; a difference of means needs at least 2")
        if self.accuracy:
            check_comparable(self.experiment)
        check_output(self.output)


@dataclass(frozen=True)
class EvaluationBenchmarkConfig:
    """Times attacks beside those of torchattacks, and corruptions in batches beside image by image.

    Args:
        path: stage folder or checkpoint of the network that is attacked, in mode adversarial.
        attacks: pgd-N, autoattack, fgsm, mi-fgsm, apgd-ce, apgd-dlr, apgd-t, fab-t, square; none leaves them out.
        authors: compare AutoAttack with its authors' code too.
        also_bf16: also time our attacks while they search in bf16; auto: where the hardware computes in it.
        images: how many test images are attacked.
        batch_size: of attacked images; each batch gives a ratio.
        corruptions: benchmark (the fifteen), extra, all, none, or their names.
        corrupted_images: how many test images are corrupted, at five severities.
        repeats: how many pairs of corruption runs are timed, after one that warms up.
        seed: of random starts and corruptions.
        output: also write a card to this file.
        device: where to compute; auto takes a GPU if there is one.
    """

    path: Path = Path("runs/digits/relu-50k/student")
    attacks: Names = Names(("pgd-20", "autoattack"))
    authors: bool = True
    also_bf16: bool | Literal["auto"] = "auto"
    images: int = 500
    batch_size: int = 250
    corruptions: Names = Names(("benchmark",))
    corrupted_images: int = 1000
    repeats: int = 3
    seed: int = 0
    output: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        for name in ("images", "batch_size", "corrupted_images", "repeats"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; a benchmark needs at least 1")
        corruption_names(self.corruptions)
        check_output(self.output)


def check_output(output: Path | None) -> None:
    """Raises ValueError where a card could not be written, before anything is measured."""
    if output is not None and not output.parent.is_dir():
        raise ValueError(f"the folder of {output} does not exist; make it, or choose another --output")


def check_comparable(config: Config) -> None:
    """Raises ValueError for what the reference steps do not know."""
    unknown = {
        f"views other than {', '.join(get_args(View))}": config.views != get_args(View),
        "split_batch": config.split_batch,
        "distillation.pram other than released": config.distillation.pram != "released",
        "teacher_file": config.teacher_file is not None,
        "search.masks_file": config.search.masks_file is not None,
        "search.score other than mismatch": config.search.score != "mismatch",
        "search.from_scratch": config.search.from_scratch,
        "evaluation without attacks": not config.evaluation.attacks,
    }
    if found := [name for name, is_so in unknown.items() if is_so]:
        raise ValueError(f"the accuracies are not compared for an experiment with {', '.join(found)}; leave that out")
