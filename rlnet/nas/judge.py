"""What a sub-network is worth: extracted, given batch-norm statistics of its own in both modes, and shown held-out images.

A supernet's running statistics are those of whatever sub-networks were trained last (Once-for-All, Cai et al. 2020; RobNet and
ProARD take new ones too, of clean images). The test set is never read.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from rlnet.accuracy import hits, random_part
from rlnet.attacks import AttackConfig, pgd_linf
from rlnet.data.batches import evaluation_batch
from rlnet.evaluation.journal import Journal
from rlnet.models import ModeNetwork, frozen
from rlnet.models.batch_norm import SyncedBatchNorm2d
from rlnet.models.elastic import copy_part
from rlnet.models.specifications.specification import Specification
from rlnet.nas.experiment import SUPERNET_KEYS, NasExperiment
from rlnet.seeds import seed_of
from rlnet.training import distributed
from rlnet.training.device import Compute
from rlnet.training.ownership import owning

VERSION = 1  # of what is measured; outcomes of another version are found anew
BATCH = 128
Batches = list[tuple[Tensor, Tensor]]
"""Images (B, C, H, W) in [0, 1] and labels (B,)."""


class Judge:
    """Accuracies of the sub-networks of one supernet on the held-out validation images."""

    def __init__(self, experiment: NasExperiment, supernet: ModeNetwork):
        self.experiment, self.supernet = experiment, supernet
        evolution, device = experiment.config.evolution, experiment.compute.device
        images = random_part(experiment.data.train, evolution.calibration_images)
        indices = torch.arange(len(images)).chunk(-(-len(images) // BATCH))
        batches = [evaluation_batch(images, index) for index in indices]
        self.batches = [(x.to(device).contiguous(memory_format=torch.channels_last), y.to(device)) for x, y in batches]

    def extract(self, spec: Specification) -> ModeNetwork:
        """The stand-alone network with the supernet's weights, calibrated."""
        network = self.experiment.build(spec)
        copy_part(self.supernet, network)
        config = self.experiment.config
        calibrate(network, self.batches, config.attack, self.experiment.compute, config.seed)
        return network.eval()

    def measure(self, spec: Specification) -> dict[str, float]:
        """Accuracies of a sub-network: clean, and under the training attack."""
        return self.validate(self.extract(spec))

    def validate(self, network: ModeNetwork) -> dict[str, float]:
        """Accuracies of a network as it is."""
        compute, attack = self.experiment.compute, self.experiment.config.attack
        return {
            "clean_accuracy": hits(network, self.experiment.validation, "normal", compute).accuracy,
            "adversarial_accuracy": hits(network, self.experiment.validation, "adversarial", compute, attack=attack).accuracy,
        }

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """Within the context what was found by all searches of the family, which is this process's to add to."""
        folder = self.experiment.family_folder / "judged"
        with owning(folder), Journal(folder, distributed.rank()) as journal:
            distributed.barrier()  # all ranks know the same outcomes, and judge together what these lack
            yield journal

    def remembered(self, spec: Specification, journal: Journal) -> dict[str, float]:
        """What `measure` finds, from the journal if it is there, else kept there."""
        key = self.key(spec)
        if key not in journal.found:
            journal.add(key, {name: [value] for name, value in self.measure(spec).items()})
        return {name: values[0] for name, values in journal.found[key].items()}

    def key(self, spec: Specification, **more: Any) -> str:
        """Of all that an outcome depends on; the supernet by what it was trained from. more: what it depends on beside."""
        evolution = self.experiment.config.evolution
        about = {
            "version": VERSION,
            "spec": spec.plain(),
            "supernet": self.experiment.settings(SUPERNET_KEYS),
            "calibration_images": evolution.calibration_images,
            "validation_limit": evolution.validation_limit,
            "images": self.experiment.validation.fingerprint,
            "data": self.experiment.data.fingerprint.digest,
            **more,
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


@torch.no_grad()
def calibrate(network: ModeNetwork, batches: Batches, attack: AttackConfig, compute: Compute, seed: int) -> None:
    """Gives a network the statistics of clean images on its normal path, and of attacked ones on its adversarial path.

    1. Both paths take those of the clean images. 2. PGD on the cross-entropy crafts images against the adversarial path as it
    is then. 3. That path takes the statistics of these. Statistics are the mean over the batches, weighted by their images.
    """
    clean = [x for x, _ in batches]
    for path in ("normal", "adversarial"):
        _take_statistics(network, clean, path, compute)
    _take_statistics(network, attacked(network, batches, attack, compute, seed), "adversarial", compute)


@torch.no_grad()
def attacked(network: ModeNetwork, batches: Batches, attack: AttackConfig, compute: Compute, seed: int) -> list[Tensor]:
    """The images of batches after PGD on the cross-entropy along the adversarial path, each from a start of its own."""
    found = []
    with compute.autocast(), frozen(network, "adversarial"):
        for i, (x, labels) in enumerate(batches):
            noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed_of(seed, i)))
            noise = noise.to(x.device).contiguous(memory_format=torch.channels_last)
            found.append(pgd_linf(lambda x, y=labels: F.cross_entropy(network(x).float(), y), x, attack, noise))
    return found


def _take_statistics(network: ModeNetwork, batches: list[Tensor], mode: str, compute: Compute) -> None:
    """Replaces the running statistics of a mode's path by the weighted mean of the batches' own."""
    norms = [module for module in network.modules() if isinstance(module, SyncedBatchNorm2d)]
    momenta, was_training, seen = [norm.momentum for norm in norms], network.training, 0
    network.train()
    try:
        for x in batches:
            seen += len(x)
            for norm in norms:
                norm.momentum = len(x) / seen  # 1 for the first batch, which thereby replaces what was there
            with compute.autocast():
                network(x, mode=mode)
    finally:
        network.train(was_training)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
