"""What the stages of RNAS-CL share beside those of any search: the teacher, its layers, and the folders of the stages.

runs/<experiment>/nas-rnas-cl/teacher serves all searches; search, training and finetuning lie in the folder of one.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rlnet.accuracy import hits
from rlnet.config import plain
from rlnet.data import ImageSet
from rlnet.evaluation.finite import NotLogitsError, logits_of
from rlnet.evaluation.paths import fingerprint
from rlnet.models import ModeNetwork, NetworkConfig
from rlnet.models.specifications.specification import Specification
from rlnet.nas.config import NasConfig
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.watched_layers import teacher_layers
from rlnet.trained import Facts, load_with_facts
from rlnet.training.folder import StageFolder
from rlnet.training.schedule import TrainConfig

KEYS = ("family", "seed", "space", "data", "attack", "method", "max_relus", "max_macs", "max_parameters")
TEACHER_KEYS = ("seed", "data", "attack")


class TutoredExperiment(NasExperiment):
    """One search of RNAS-CL. Raises ValueError for every configuration that cannot run.

    teacher: any module from images in [0, 1] to logits, in the place of the configuration's.
    """

    def __init__(self, config: NasConfig, teacher: nn.Module | None = None):
        self.foreign = teacher
        super().__init__(config)

    @property
    def trainings(self) -> tuple[TrainConfig, ...]:
        tutor = self.config.tutor
        return tutor.teaching, tutor.search, tutor.training, tutor.finetuning

    @property
    def folders(self) -> tuple[StageFolder, ...]:
        own = () if self.named_teacher is not None else (self.teacher_folder,)
        return *own, self.search_folder, self.training_folder, self.finetuning_folder, self.folder

    def check(self) -> None:
        super().check()
        if not isinstance(self.space, InvertedResidualSpace):
            raise ValueError(f"method gumbel searches widths of rnas-cl; {self.config.family} has none, use --method evolution")
        if (steps := self.batches(self.config.tutor.search).steps_per_epoch) < 2:
            raise ValueError(
                f"an epoch of the search is {steps} step, but weights and widths learn in turns; "
                f"give a tutor.search.batch_size of at most {len(self.data.train) // 2}"
            )
        self.layers_of(self.named_teacher or self.facts(self.config.tutor.network).build())

    @cached_property
    def validation(self) -> ImageSet:
        return self.data.validation

    @cached_property
    def named_teacher(self) -> nn.Module | None:
        """The teacher that was given, on the CPU and in eval mode; None where one is to be trained. Raises ValueError."""
        if self.foreign is not None:
            return self.foreign.eval()
        path = self.config.tutor.teacher
        if path is None:
            return None
        network, facts = load_with_facts(path)
        if facts.classes != self.data.classes or facts.image_shape != self.data.image_shape:
            raise ValueError(
                f"{path} cannot teach here: it was trained on {facts.dataset} ({len(facts.classes)} classes, images "
                f"{facts.image_shape}), which {self.data.name} is not ({len(self.data.classes)} classes, images "
                f"{self.data.image_shape}); name another teacher, or leave tutor.teacher out to train one"
            )
        return network

    def layers_of(self, teacher: nn.Module) -> list[str]:
        """The layers of the teacher that may be tutors. Raises ValueError where it cannot take the images, too."""
        example = torch.zeros(2, *self.data.image_shape, device=next(teacher.parameters()).device)
        try:
            with torch.no_grad():
                logits = logits_of(teacher.eval()(example))
        except NotLogitsError:
            raise
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"the teacher cannot take images {self.data.image_shape} ({error})") from error
        if logits.shape != (2, len(self.data.classes)):
            raise ValueError(f"the teacher returns {tuple(logits.shape)} for 2 images of {len(self.data.classes)} classes")
        return teacher_layers(teacher, example, self.config.tutor.layers)

    def facts(self, network: NetworkConfig) -> Facts:
        """What a network of this experiment is made for."""
        return Facts.of(network, self.config.data, self.data)

    def facts_of(self, spec: Specification) -> Facts:
        """Of a network of the space."""
        return self.facts(NetworkConfig(spec.family, spec=spec.plain()))

    def accuracies(self, network: ModeNetwork, attacked_mode: str) -> dict[str, float]:
        """Accuracies on the held-out images: clean on the normal path, and under the training attack on the path of a mode."""
        attack = self.config.attack
        return {
            "clean_accuracy": hits(network, self.validation, "normal", self.compute).accuracy,
            "adversarial_accuracy": hits(network, self.validation, attacked_mode, self.compute, attack=attack).accuracy,
        }

    @cached_property
    def teacher_folder(self) -> StageFolder:
        tutor = {name: plain(getattr(self.config.tutor, name)) for name in ("network", "teaching")}
        settings = self.settings(TEACHER_KEYS) | {"tutor": tutor}
        return StageFolder(self.family_folder / "teacher", settings, defaults={}, images=self.data.fingerprint)

    @cached_property
    def search_folder(self) -> StageFolder:
        return self._tutored("search")

    @cached_property
    def training_folder(self) -> StageFolder:
        return self._tutored("training")

    @cached_property
    def finetuning_folder(self) -> StageFolder:
        return self._tutored("finetuning")

    @cached_property
    def folder(self) -> StageFolder:
        return StageFolder(self._path, self._all_settings, defaults={}, stage="nas", images=self.data.fingerprint)

    def _tutored(self, stage: str) -> StageFolder:
        return StageFolder(self._path / stage, self._all_settings, defaults={}, images=self.data.fingerprint)

    @property
    def _path(self) -> Path:
        return self.config.experiment / f"nas-{self.config.family}-{self.config.limit_name}"

    @cached_property
    def _all_settings(self) -> dict[str, Any]:
        """A teacher that was given is known by what it computes, not by where it lies."""
        tutor = plain(self.config.tutor)
        if self.named_teacher is not None:
            tutor |= {"teacher": fingerprint(self.named_teacher)}
            del tutor["network"], tutor["teaching"]
        return self.settings(KEYS) | self.latency_settings | {"tutor": tutor}
