"""What the stages of one experiment share: data, device, sites, budget, folders; all checked before anything is written."""

from contextlib import AbstractContextManager
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

from masks import (
    Masks,
    Shape,
    budget_name,
    count_kept,
    find_sites,
    get_masks,
    import_masks,
    parse_budget,
    preset_sensitivity,
)
from rlnet.accuracy import hits
from rlnet.config import Config, plain, stage_config
from rlnet.data import Dataset, load
from rlnet.data.batches import TrainingBatches
from rlnet.evaluation.config import check_fits
from rlnet.evaluation.paper import paper_accuracies
from rlnet.models import ModeNetwork
from rlnet.runs import find
from rlnet.trained import Facts, from_content
from rlnet.training import checkpoint, distributed
from rlnet.training.device import resolve
from rlnet.training.folder import StageFolder, owned
from rlnet.training.schedule import TrainConfig
from rlnet.training.stage_batches import stage_batches
from rlnet.training.views import ViewMaker


class Experiment:
    """One experiment on its data and device. Raises ValueError for every configuration that cannot run."""

    def __init__(self, config: Config):
        self.config = config
        self.compute = resolve(config.device, config.precision, distributed.local_rank())
        self.data: Dataset = load(config.data, config.seed)
        self.facts = Facts.of(config.network, config.data, self.data)
        check_fits(config.evaluation, len(self.data.classes), self.data.image_shape)
        self.sites: dict[str, Shape] = find_sites(self.facts.build(), self.facts.example)
        self.capacities = [c * h * w for c, h, w in self.sites.values()]
        self.budget = parse_budget(str(config.relu_budget), sum(self.capacities))
        self.folder = config.experiment / f"relu-{budget_name(self.budget)}"
        self.teacher_content = self._teacher_content()
        self.imported_masks = self._imported_masks()
        self.published_sensitivity = self._published_sensitivity()
        self.views = ViewMaker(config.views, config.attack, config.split_batch, config.seed, self.compute.device)
        for stage in (config.teacher, config.search, config.finetune):
            self.batches(stage)
        for folder in (self.teacher_folder, self.masks_folder, self.student_folder):
            folder.check()

    @cached_property
    def teacher_folder(self) -> StageFolder:
        return self._stage("teacher", self.config.experiment / "teacher")

    @cached_property
    def masks_folder(self) -> StageFolder:
        return self._stage("masks", self.folder / "masks", budget=self.budget)

    @cached_property
    def student_folder(self) -> StageFolder:
        return self._stage("student", self.folder / "student", budget=self.budget)

    def _teacher_content(self) -> dict[str, Any] | None:
        """The checkpoint of the teacher that the configuration names, if it does."""
        if self.config.teacher_file is None:
            return None
        file = find(self.config.teacher_file)
        content = checkpoint.load(file)
        network, facts = from_content(content, file)
        told = ("mean", "std", "images") if facts.images is None else ("mean", "std", "images", "dataset")
        differences = [
            f"its {item.name}: {getattr(facts, item.name)}, the experiment's: {getattr(self.facts, item.name)}"
            for item in fields(facts)
            if item.name not in told and getattr(facts, item.name) != getattr(self.facts, item.name)
        ]
        if facts.images is not None:  # say more than the data set's name, and say it wherever it lies
            differences += facts.images.differences(self.data.fingerprint)
        if differences:
            raise ValueError(f"{file} cannot be the teacher of this experiment ({'; '.join(differences)})")
        if get_masks(network):
            raise ValueError(f"{file} is a partial-ReLU network; a teacher has all its ReLUs")
        return content

    def _imported_masks(self) -> Masks | None:
        """The masks of the file that the configuration names, if it does."""
        path = self.config.search.masks_file
        if path is None:
            return None
        masks = import_masks(path, self.sites)
        kept = count_kept(masks)
        if kept != self.budget:
            raise ValueError(f"{path} keeps {kept} ReLUs, not {self.budget}; use --relu-budget {kept}")
        return masks

    def _published_sensitivity(self) -> list[float] | None:
        """The sensitivity vector that the configuration names; None where the teacher's weights are to give it."""
        name = self.config.search.sensitivity
        return None if name == "magnitude" else preset_sensitivity(name, self.capacities)

    def _stage(self, stage: str, path: Path, **resolved: Any) -> StageFolder:
        config = stage_config(self.config, stage, precision=self.compute.precision, **resolved)
        return StageFolder(path, config, defaults=stage_config(Config(), stage), images=self.data.fingerprint)

    def owned(self, *folders: StageFolder) -> AbstractContextManager[None]:
        """Within the context those of the folders that are not finished are this process's. Raises ValueError for another's."""
        return owned(folders, self.evaluation_settings())

    def new_network(self, seed: int) -> ModeNetwork:
        """The all-ReLU network with random weights, on the device."""
        return self.facts.build(seed).to(self.compute.device)

    def batches(self, train: TrainConfig) -> TrainingBatches:
        """The training batches of a stage, this rank's part."""
        config = self.config
        augmix = config.augmix if "augmented" in config.views else None
        return stage_batches(
            self.data, train.batch_size, config.seed, config.workers, self.compute, augmix, config.separate_crops
        )

    def validate(self, network: ModeNetwork) -> dict[str, float]:
        """Accuracies on the held-out validation images: clean, and under the training attack if the training has one."""
        found = {"clean_accuracy": hits(network, self.data.validation, "normal", self.compute).accuracy}
        if "adversarial" in self.config.views:
            attack = self.config.attack
            result = hits(network, self.data.validation, "adversarial", self.compute, attack=attack)
            found["adversarial_accuracy"] = result.accuracy
        return found

    def evaluate(self, network: ModeNetwork, name: str, folder: Path | None = None) -> tuple[dict, dict]:
        """The test accuracies and what they rest on; fp32 whatever the training used. folder: of the stage, to resume in."""
        config, device = self.config, self.compute.device
        return paper_accuracies(network, self.data.test, config.evaluation, config.attack, device, config.seed, name, folder)

    def evaluation_settings(self) -> dict[str, Any]:
        """What an evaluation's numbers depend on beside the network."""
        return plain(self.config.evaluation)
