"""The configuration of an architecture search: what `python -m rlnet.nas` takes as flags and YAML."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from masks.budget import budget_name
from rlnet.attacks.config import AttackConfig, Pixels
from rlnet.data.config import DataConfig
from rlnet.nas.nsga2_config import Nsga2Config, PredictorConfig
from rlnet.nas.phases import span_of
from rlnet.nas.sample_config import SampleConfig
from rlnet.nas.space_config import SpaceConfig, space_name
from rlnet.nas.tutor_config import TutorConfig
from rlnet.nas.written_limits import parse_latency, parse_limit
from rlnet.runs import find
from rlnet.training.config import ObjectiveConfig
from rlnet.training.schedule import TrainConfig


@dataclass(frozen=True)
class LargestConfig(TrainConfig):
    """The training of the largest network, from which the others are distilled.

    Args:
        objective: rlnet is the mean cross-entropy of clean and adversarial images; trades, as in ProARD, and at are those of
            rlnet.teacher.
        beta: of trades, the weight of the KL between clean and attacked predictions.
    """

    objective: Literal["rlnet", "at", "trades"] = "rlnet"
    beta: float = 6.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.objective_config

    @property
    def objective_config(self) -> ObjectiveConfig:
        """As rlnet.teacher has it."""
        return ObjectiveConfig(self.objective, self.beta)


@dataclass(frozen=True)
class SupernetConfig(TrainConfig):
    """The training of the supernet, after that of the largest network.

    Args:
        objective: what trains the sub-network of a step. rslad: distillation from the largest network, as ProARD; at:
            adversarial training from random weights, as RobNet, without a largest network; auto: at for method sample, else
            rslad.
        sampling: which sub-network a step trains. progressive: first large ones, from phase to phase smaller ones too, as
            ProARD; the schedule begins anew in each phase; random: any, as RobNet; auto: progressive where there are phases.
        sort_channels: of progressive sampling: when the blocks begin to become narrower inside, their most important channels
            come first.
    """

    sampling: Literal["auto", "progressive", "random"] = "auto"
    sort_channels: bool = True
    objective: Literal["auto", "at", "rslad"] = "auto"

    def learning_rate(self, epoch: float) -> float:
        """As of any training; of progressive sampling, as of a training for each phase, the first one alone with a warm-up."""
        if self.sampling != "progressive":
            return super().learning_rate(epoch)
        _, epochs = span_of(int(epoch), self.epochs)
        warmup = self.warmup_epochs if epochs[0] == 0 else 0.0
        one = replace(self, sampling="random", epochs=len(epochs), warmup_epochs=warmup)
        return one.learning_rate(epoch - epochs[0])


@dataclass(frozen=True)
class EvolutionConfig:
    """The evolutionary search in the trained supernet.

    Args:
        population: networks that are judged in each generation.
        generations: the first is drawn at random, the others descend from the best.
        parents: fraction of the population that the next generation descends from.
        mutation: probability that a gene is drawn anew.
        calibration_images: training images from which each network takes its batch-norm statistics before it is judged.
        validation_limit: judge on so many of the held-out validation images; None is all.
    """

    population: int = 12
    generations: int = 3
    parents: float = 0.25
    mutation: float = 0.1
    calibration_images: int = 256
    validation_limit: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("population", 2), ("generations", 1), ("calibration_images", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"evolution.{name} is {getattr(self, name)}; give at least {least}")
        for name in ("parents", "mutation"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"evolution.{name} is {getattr(self, name)}; it is a fraction, above 0 and at most 1")
        if self.validation_limit is not None and self.validation_limit < 1:
            raise ValueError(f"evolution.validation_limit is {self.validation_limit}; give at least 1")


@dataclass(frozen=True)
class NasConfig:
    """Searches a robust network under a limit of ReLUs, and leaves its spec.json for rlnet.finetune --network.

    Args:
        family: whose networks: proard (progressive shrinking), robnet (cells, random paths), or rnas-cl (inverted residual
            blocks of searched widths).
        method: how to search; evolution: among the sub-networks of a supernet; nsga2: among the same, by a predictor of their
            accuracies, as ProARD; sample: some of them drawn at random, filtered and fine-tuned, as RobNet; gumbel: widths of
            rnas-cl with a robust teacher, as mixtures. auto is the family's own.
        max_relus: at most so many scalar ReLUs per image: 100000, 100k, 0.1m; null is no limit.
        max_macs: at most so many multiply-accumulates per image: 30m, 1.5g.
        max_parameters: at most so many parameters: 500k, 2m.
        max_latency: at most so long a secure inference takes, 2.5s or 800ms, as --latency-model predicts it.
        latency_model: a file that python -m pi_bench latency-model wrote; without max_latency, the card says the latencies.
        name: the experiment's folder; by default the data set's name.
        runs: the folder of all experiments.
        seed: of weights, data order, attacks, sampled networks and the search.
        device: where to compute; auto takes a GPU if there is one.
        precision: of the convolutions; auto is bf16 where the hardware has it.
        workers: processes that make batches; -1 decides by the machine.
        tensorboard: also write the metrics as TensorBoard events.
        space: the search space.
        data: the images. The test set is not used.
        attack: the adversarial view in training, calibration and judging.
        largest: the training of the largest network.
        supernet: the training of sub-networks, distilled from the largest (RSLAD).
        evolution: the search, and how all methods judge: calibration_images and validation_limit.
        predictor: of method nsga2, what predicts accuracies.
        nsga2: the search on what is predicted.
        sample: the search of method sample.
        tutor: the teacher of method gumbel, which takes no supernet, and its trainings.
    """

    family: str = "proard"
    method: Literal["auto", "evolution", "nsga2", "sample", "gumbel"] = "auto"
    max_relus: str | int | None = "100k"
    max_macs: str | int | None = None
    max_parameters: str | int | None = None
    max_latency: str | None = None
    latency_model: Path | None = None
    name: str | None = None
    runs: Path = Path("runs")
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    workers: int = -1
    tensorboard: bool = False
    space: SpaceConfig = field(default_factory=SpaceConfig)
    data: DataConfig = field(default_factory=DataConfig)
    attack: AttackConfig = field(default_factory=lambda: AttackConfig(eps=Pixels("16/255"), step_size=Pixels("6/255"), steps=3))
    largest: LargestConfig = field(
        default_factory=lambda: LargestConfig(epochs=6, batch_size=32, lr=0.02, schedule="cosine", warmup_epochs=1)
    )
    supernet: SupernetConfig = field(
        default_factory=lambda: SupernetConfig(epochs=10, batch_size=32, lr=0.01, schedule="cosine", validate_every=5)
    )
    evolution: EvolutionConfig = field(default_factory=EvolutionConfig)
    predictor: PredictorConfig = field(default_factory=PredictorConfig)
    nsga2: Nsga2Config = field(default_factory=Nsga2Config)
    sample: SampleConfig = field(default_factory=SampleConfig)
    tutor: TutorConfig = field(default_factory=TutorConfig)

    def __post_init__(self) -> None:
        space_name(self.family, self.space)
        _ = self.limits
        if self.max_latency is not None and self.latency_model is None:
            raise ValueError("max_latency needs a --latency-model FILE, as python -m pi_bench latency-model writes one")
        if self.workers < -1:
            raise ValueError(f"workers is {self.workers}; give a number of processes, or -1 for what suits the machine")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that there are, by what they limit. Raises ValueError for what is no limit."""
        texts = {"relus": self.max_relus, "macs": self.max_macs, "parameters": self.max_parameters}
        parsed = {name: parse_limit(text, name) for name, text in texts.items()}
        parsed["latency_ms"] = parse_latency(self.max_latency)
        return {name: limit for name, limit in parsed.items() if limit is not None}

    @property
    def limit_name(self) -> str:
        """The limits as a folder's name has them: 100k, or 100k-macs-30000k-2500ms."""
        names = {"relus": budget_name, "latency_ms": lambda ms: f"{ms:.12g}ms"}
        parts = [names.get(name, lambda n, name=name: f"{name}-{budget_name(n)}")(limit) for name, limit in self.limits.items()]
        return "-".join(parts) or "unlimited"

    @property
    def experiment(self) -> Path:
        """The folder of the experiment."""
        return self.runs / (self.name or self.data.name)

    def check_files(self) -> None:
        """Raises ValueError for files that are named and are not there, as far as that can be seen without reading them."""
        self.data.check_files()
        if self.latency_model is not None and not self.latency_model.is_file():
            raise ValueError(f"there is no file {self.latency_model}; python -m pi_bench latency-model writes one")
        if self.tutor.teacher is not None:
            find(self.tutor.teacher)
