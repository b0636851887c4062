"""The configuration of an experiment: typed dataclasses that are the command line, the YAML and the Python interface."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from masks.budget import read_budget
from rlnet.attacks.config import AttackConfig, Pixels
from rlnet.data.config import AugMixConfig, DataConfig
from rlnet.evaluation.config import EvaluationConfig
from rlnet.models.config import NetworkConfig
from rlnet.models.words import View
from rlnet.runs import find
from rlnet.training.config import DistillationConfig, ObjectiveConfig
from rlnet.training.schedule import TrainConfig


@dataclass(frozen=True)
class SearchConfig(TrainConfig):
    """The mask search, stage 2.

    Args:
        sensitivity: what splits the budget over the sites: "magnitude" (estimated from the teacher's weights) or a published
            vector by name, for instance resnet18-100k.
        density: fraction of the weights that the magnitude estimate keeps.
        score: what ranks the ReLUs of a site. mismatch, as in the paper, is how far the student's map is from the teacher's; a
            ReLU that is kept scores low then, so that kept and dropped ones change places. linearized is how far it would be
            without the ReLU, for kept and dropped ones alike.
        settle: the search stops early once less than this fraction of the kept ReLUs changes between two epochs.
        masks_file: take the masks from this file (ours, or a checkpoint of SNL or RLNet) in place of searching them.
        from_scratch: start the student from random weights, as RLNet's public code does, not from the teacher's.
    """

    schedule: Literal["step", "cosine", "constant"] = "constant"
    sensitivity: str = "magnitude"
    density: float = 0.1
    score: Literal["mismatch", "linearized"] = "mismatch"
    settle: float = 0.01
    masks_file: Path | None = None
    from_scratch: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.density <= 1:
            raise ValueError(f"search.density is {self.density}; it is a fraction of the weights, above 0 and at most 1")


@dataclass(frozen=True)
class Config:
    """One experiment: a robust teacher, masks of an exact budget, and a partial-ReLU student. The defaults are the digits.

    Args:
        relu_budget: how many scalar ReLUs per image the student keeps: 50000, 50k, 0.05m or 36% of the network's.
        name: the experiment's folder; by default the data set's name.
        runs: the folder of all experiments.
        seed: of weights, data order, augmentation, attacks and masks.
        device: where to compute; auto takes a GPU if there is one.
        precision: of the convolutions; auto is bf16 where the hardware has it.
        workers: processes that augment; -1 decides by the machine.
        tensorboard: also write the metrics as TensorBoard events.
        teacher_file: take this trained all-ReLU network (a stage folder or checkpoint) as the teacher in place of stage 1.
        views: how each image reaches the network in training.
        split_batch: show the adversarial view other images than the clean one, half of the batch each, as RLNet's public code.
        separate_crops: crop the augmented view independently of the clean one, as RLNet's public code.
        data: the images.
        network: the architecture of teacher and student.
        augmix: the augmented view.
        attack: the adversarial view.
        objective: what the teacher minimises.
        distillation: the losses of the student.
        teacher: stage 1.
        search: stage 2.
        finetune: stage 3.
        evaluation: what the cards report.
    """

    relu_budget: str | int = "50k"
    name: str | None = None
    runs: Path = Path("runs")
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    workers: int = -1
    tensorboard: bool = False
    teacher_file: Path | None = None
    views: tuple[View, ...] = ("clean", "augmented", "adversarial")
    split_batch: bool = False
    separate_crops: bool = False
    data: DataConfig = field(default_factory=DataConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augmix: AugMixConfig = field(default_factory=AugMixConfig)
    attack: AttackConfig = field(default_factory=lambda: AttackConfig(eps=Pixels("16/255"), step_size=Pixels("6/255"), steps=3))
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    distillation: DistillationConfig = field(default_factory=DistillationConfig)
    teacher: TrainConfig = field(
        default_factory=lambda: TrainConfig(epochs=8, batch_size=64, lr=0.1, schedule="cosine", warmup_epochs=1)
    )
    search: SearchConfig = field(default_factory=lambda: SearchConfig(epochs=2, batch_size=64, lr=0.02))
    finetune: TrainConfig = field(default_factory=lambda: TrainConfig(epochs=4, batch_size=64, lr=0.05, schedule="cosine"))
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        if "clean" not in self.views or len(set(self.views)) != len(self.views):
            raise ValueError(f"views are clean and, once each, augmented and adversarial; not {', '.join(self.views)}")
        if self.objective.name != "rlnet" and "adversarial" not in self.views:
            raise ValueError(f"objective {self.objective.name} trains on the adversarial view; add it to views")
        read_budget(str(self.relu_budget))
        if self.workers < -1:
            raise ValueError(f"workers is {self.workers}; give a number of processes, or -1 for what suits the machine")

    @property
    def experiment(self) -> Path:
        """The folder of the experiment."""
        return self.runs / (self.name or self.data.name)

    @property
    def title(self) -> str:
        """In words: which network on which images."""
        width = "" if self.network.width is None else f", width {self.network.width}"
        return f"{self.network.name}{width}, on {self.data.name}"

    def check_files(self) -> None:
        """Raises ValueError for files that are named and are not there, as far as that can be seen without reading them."""
        self.data.check_files()
        if self.teacher_file is not None:
            find(self.teacher_file)
        if (masks := self.search.masks_file) is not None and not masks.is_file():
            raise ValueError(f"there is no file {masks}; search.masks_file is a mask file, or a checkpoint with masks")


_TEACHER_KEYS = (
    "seed",
    "teacher_file",
    "views",
    "split_batch",
    "separate_crops",
    "data",
    "network",
    "augmix",
    "attack",
    "objective",
    "teacher",
)
_MASKS_KEYS = (*_TEACHER_KEYS, "distillation", "search")
STAGE_KEYS = {"teacher": _TEACHER_KEYS, "masks": _MASKS_KEYS, "student": (*_MASKS_KEYS, "finetune")}


def plain(value: Any) -> Any:
    """A configuration as plain dicts, lists, texts and numbers, ready for YAML and JSON."""
    if dataclasses.is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path | Pixels) else value


def stage_config(config: Config, stage: Literal["teacher", "masks", "student"], **resolved: Any) -> dict[str, Any]:
    """What the numbers of a stage depend on, as plain values; `resolved` adds what the machine and the network decided."""
    return {key: plain(getattr(config, key)) for key in STAGE_KEYS[stage]} | resolved
