"""What the stages of one search share: space, limits, data, device, folders; all checked before anything is written.

The supernet knows nothing of the limits: runs/<experiment>/nas-<family>/{largest,supernet} serve all searches of the family.
"""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from rlnet.accuracy import random_part
from rlnet.config import plain
from rlnet.data import Dataset, ImageSet, load
from rlnet.data.batches import TrainingBatches
from rlnet.models import ModeNetwork
from rlnet.models.building import build_specification
from rlnet.models.elastic import ELASTIC, Layers
from rlnet.models.specifications.specification import Specification
from rlnet.nas.config import NasConfig
from rlnet.nas.families import make_space
from rlnet.nas.latency import read
from rlnet.nas.limits import Limits
from rlnet.nas.proard import ProgressiveSpace
from rlnet.nas.sampling import filters_of
from rlnet.nas.space_config import space_name
from rlnet.training import distributed
from rlnet.training.device import resolve
from rlnet.training.folder import StageFolder
from rlnet.training.schedule import TrainConfig
from rlnet.training.stage_batches import stage_batches
from rlnet.training.views import ViewMaker

LARGEST_KEYS = ("family", "seed", "space", "data", "attack", "largest")
SUPERNET_KEYS = (*LARGEST_KEYS, "supernet")
SEARCH_KEYS = (*SUPERNET_KEYS, "method", "max_relus", "max_macs", "max_parameters", "evolution")
METHOD_KEYS = {"nsga2": ("predictor", "nsga2"), "sample": ("sample",)}  # what else a method's search depends on
DEFAULT_METHODS = {"rnas-cl": "gumbel"}


def method_of(config: NasConfig) -> str:
    """The method of a search, its family's own where none is named."""
    return DEFAULT_METHODS.get(config.family, "evolution") if config.method == "auto" else config.method


class NasExperiment:
    """One search on its data and device. Raises ValueError for every configuration that cannot run."""

    def __init__(self, config: NasConfig):
        self.config = config
        self.compute = resolve(config.device, config.precision, distributed.local_rank())
        self.space = make_space(config.family, config.space)
        self.space_name = space_name(config.family, config.space)
        self.method = method_of(config)
        self.sampling = self._sampling()
        self.supernet_training = replace(config.supernet, sampling=self.sampling)
        self.objective = config.supernet.objective
        if self.objective == "auto":
            self.objective = "at" if self.method == "sample" else "rslad"
        self.filters = filters_of(self.space, config.sample) if self.method == "sample" else {}
        self.data: Dataset = load(config.data, config.seed)
        latency = None if config.latency_model is None else read(config.latency_model)
        self.limits = Limits(self.data.image_shape, len(self.data.classes), **config.limits, latency_model=latency)
        self.limits.check(self.space.smallest)
        self.views = ViewMaker(("clean", "adversarial"), config.attack, False, config.seed, self.compute.device)
        self.check()

    @property
    def trainings(self) -> tuple[TrainConfig, ...]:
        """Those of all stages."""
        own = (self.config.sample.finetune,) if self.method == "sample" else ()
        return self.config.largest, self.supernet_training, *own

    @property
    def folders(self) -> tuple[StageFolder, ...]:
        """Those of all stages, and that of the search."""
        return *self.trained_folders, self.folder

    def check(self) -> None:
        """Raises ValueError where a stage cannot run, or its folder holds one of another configuration."""
        for training in self.trainings:
            self.batches(training)
        for folder in self.folders:
            folder.check()

    @cached_property
    def family_folder(self) -> Path:
        """Of what all searches of the family share."""
        return self.config.experiment / f"nas-{self.config.family}"

    @cached_property
    def largest_folder(self) -> StageFolder:
        return self._stage(self.family_folder / "largest", LARGEST_KEYS)

    @cached_property
    def supernet_folder(self) -> StageFolder:
        name = "supernet" if self.objective == "rslad" else f"supernet-{self.objective}"
        return self._stage(self.family_folder / name, SUPERNET_KEYS)

    @property
    def trained_folders(self) -> tuple[StageFolder, ...]:
        """Of the stages before the search; without distillation there is no largest network."""
        return (self.largest_folder, self.supernet_folder) if self.objective == "rslad" else (self.supernet_folder,)

    @cached_property
    def folder(self) -> StageFolder:
        """Of the search."""
        method = "" if self.config.method == "auto" else f"-{self.method}"
        path = self.config.experiment / f"nas-{self.config.family}-{self.config.limit_name}{method}"
        settings = self.settings((*SEARCH_KEYS, *METHOD_KEYS.get(self.method, ()))) | self.latency_settings
        return StageFolder(path, settings, {}, stage="nas", images=self.data.fingerprint)

    @property
    def latency_settings(self) -> dict[str, Any]:
        """The limit of the predicted latency, and what predicts it: the file's content, not its name."""
        model = self.limits.latency_model
        return {} if model is None else {"max_latency_ms": self.limits.latency_ms, "latency_model": model.plain()}

    def _stage(self, path: Path, keys: tuple[str, ...]) -> StageFolder:
        return StageFolder(path, self.settings(keys), {}, images=self.data.fingerprint)

    def settings(self, keys: tuple[str, ...]) -> dict[str, Any]:
        """What a stage depends on, as plain values; limits as numbers, the space with its name."""
        found = {key: plain(getattr(self.config, key)) for key in keys}
        if "supernet" in keys:
            found["supernet"]["objective"] = self.objective
            if self.objective == "at":
                del found["largest"]
        if "space" in keys:
            found["space"]["name"], found["space"]["width"] = self.space_name, self.config.space.times
        found |= {"method": self.method} if "method" in keys else {}
        found |= {f"max_{name}": limit for name, limit in self.config.limits.items() if f"max_{name}" in keys}
        return found | {"precision": self.compute.precision}

    def _sampling(self) -> str:
        """progressive or random. Raises ValueError for progressive in a space that has no phases."""
        has_phases, wanted = isinstance(self.space, ProgressiveSpace), self.config.supernet.sampling
        if wanted == "progressive" and not has_phases:
            raise ValueError(f"the spaces of {self.config.family} have no phases; use --supernet.sampling random")
        return wanted if wanted != "auto" else "progressive" if has_phases else "random"

    def build(self, spec: Specification, layers: Layers | None = None, seed: int = 0) -> ModeNetwork:
        """The network of a specification with two batch-norm paths, on the device; without layers, of plain ones."""
        options = {} if layers is None else {"layers": layers}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = build_specification(spec, len(self.data.classes), self.data.mean, self.data.std, "dual", **options)
        return network.to(self.compute.device, memory_format=torch.channels_last)

    def outline(self, spec: Specification) -> ModeNetwork:
        """The network of a specification on the meta device, without weights."""
        with torch.device("meta"):
            return build_specification(spec, len(self.data.classes), self.data.mean, self.data.std, "dual")

    def supernet(self) -> ModeNetwork:
        """The supernet with random weights, all of it active."""
        return self.build(self.space.largest, ELASTIC, self.config.seed)

    @cached_property
    def validation(self) -> ImageSet:
        """The held-out images that networks are judged on."""
        return random_part(self.data.validation, self.config.evolution.validation_limit)

    def batches(self, train: TrainConfig) -> TrainingBatches:
        """The training batches of a stage, this rank's part."""
        return stage_batches(self.data, train.batch_size, self.config.seed, self.config.workers, self.compute)
