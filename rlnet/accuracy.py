"""The accuracy of a network on images as they are, corrupted, or attacked."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from rlnet.attacks import AttackConfig, pgd_linf
from rlnet.data import ImageSet
from rlnet.data.batches import evaluation_batches
from rlnet.evaluation.finite import finite
from rlnet.models import ModeNetwork, frozen
from rlnet.seeds import seed_of
from rlnet.training import distributed
from rlnet.training.device import Compute

BATCH = 250


@dataclass(frozen=True)
class Hits:
    """How many of n images were classified correctly."""

    correct: int
    n: int

    @property
    def accuracy(self) -> float:
        """The fraction that is correct."""
        return self.correct / self.n

    @property
    def ci95(self) -> list[float]:
        """Wilson's 95% interval of the accuracy (Wilson 1927)."""
        z = 1.959964
        p, n = self.accuracy, self.n
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
        return [max(0.0, centre - half), min(1.0, centre + half)]


def hits(
    network: ModeNetwork,
    images: ImageSet,
    mode: str,
    compute: Compute,
    *,
    attack: AttackConfig | None = None,
    seed: int = 0,
) -> Hits:
    """How many images the network classifies correctly in one mode; the work is shared by the ranks.

    attack: PGD on the cross-entropy of that mode's own path, whose last images count, as in training; `rlnet.evaluate` measures
    more strictly. Random numbers depend on the seed and a batch's place in the set only, not on the ranks or the network.
    Raises FloatingPointError where the outputs are not finite.
    """
    correct = torch.zeros((), dtype=torch.int64, device=compute.device)
    ranks, rank = distributed.world_size(), distributed.rank()
    where = f"mode {mode}, {'images as they are' if attack is None else 'images under the training attack'}"
    with compute.autocast(), frozen(network, mode), torch.no_grad():
        for x, labels, index in evaluation_batches(images, BATCH, rank, ranks):
            generator = torch.Generator().manual_seed(seed_of(seed, int(index[0])))
            noise = torch.rand(x.shape, generator=generator) if attack is not None else None
            x = x.to(compute.device).contiguous(memory_format=torch.channels_last)
            labels = labels.to(compute.device)
            if attack is not None:
                noise = noise.to(compute.device).contiguous(memory_format=torch.channels_last)
                x = pgd_linf(lambda x_adv, y=labels: F.cross_entropy(network(x_adv).float(), y), x, attack, noise)
            correct += (finite(network(x), where).argmax(dim=1) == labels).sum()
    return Hits(int(distributed.sum_over_ranks(correct)), len(images))


def random_part(images: ImageSet, limit: int | None) -> ImageSet:
    """At most `limit` of the images, the same ones every time, drawn from the whole set. Raises ValueError for none."""
    if limit is not None and limit < 1:
        raise ValueError(f"a limit of {limit} images leaves none to measure an accuracy on; give at least 1")
    if limit is None or limit >= len(images):
        return images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images.subset(order[:limit].sort().values)
