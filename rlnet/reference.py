"""The plain training steps that `rlnet.benchmark` holds ours against: the same mathematics, nothing done to be fast.

What is plain about them: fp32; contiguous memory; masks multiplied in as int64 tensors; attacks whose backward pass goes to
every parameter; batch norms that stay apart from their convolutions. All the rest is what one writes down from RLNet (Sarkar
et al. 2024, Sec. 2.4). They share the networks with our steps and nothing else that computes, so that they are also a second
opinion on our numbers.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masks import exact_topk, get_masks, mask_change
from rlnet.attacks import AttackConfig
from rlnet.data.batches import Batch
from rlnet.models import ModeNetwork, frozen
from rlnet.seeds import seed_of
from rlnet.stages.mask_search import SearchObjective
from rlnet.stages.teacher import TeacherObjective
from rlnet.training.config import DistillationConfig, Precision
from rlnet.training.device import Compute
from rlnet.training.distillation import StudentObjective
from rlnet.training.objective import Objective
from rlnet.training.views import ViewMaker

VIEWS = ("clean", "augmented", "adversarial")


class ReferencePartialReLU(nn.Module):
    """y = relu(x * m) + x * (1 - m), as printed (SNL, Cho et al. 2022, Sec. 3); m: int64 (C, H, W), x: (B, C, H, W)."""

    mask: Tensor

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask.long().contiguous(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        m = self.mask.expand_as(x)
        return torch.relu(x * m) + x * (torch.ones_like(m) - m)


def plain_copy(network: ModeNetwork) -> ModeNetwork:
    """A copy with the same weights and masks, in contiguous memory, its masks multiplied in."""
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for name, mask in get_masks(plain).items():
        parent, _, child = name.rpartition(".")
        setattr(plain.get_submodule(parent), child, ReferencePartialReLU(mask))
    return plain


def plain_pgd(network: ModeNetwork, loss: Callable[[Tensor], Tensor], x: Tensor, attack: AttackConfig, noise: Tensor) -> Tensor:
    """PGD (Madry et al. 2018, Sec. 2.1) on a loss of the logits in mode adversarial, by whole backward passes.

    x: (B, C, H, W) in [0, 1]. noise: U(0, 1) of the same shape, the random start. Leaves the network in training mode.
    """
    network.eval()
    x_adv = (x + attack.eps * (2 * noise - 1)).clamp(0, 1)
    for _ in range(attack.steps):
        x_adv.requires_grad_(True)
        loss(network(x_adv, mode="adversarial")).backward()
        x_adv = x_adv.detach() + attack.step_size * x_adv.grad.sign()
        x_adv = torch.min(torch.max(x_adv, x - attack.eps), x + attack.eps).clamp(0, 1)
        network.zero_grad(set_to_none=True)
    network.train()
    return x_adv


def plain_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), the mean over the images; logits (B, K)."""
    p, log_q = F.softmax(teacher / temperature, dim=1), F.log_softmax(student / temperature, dim=1)
    return temperature**2 * F.kl_div(log_q, p, reduction="batchmean")


def plain_pram(student: Tensor, teacher: Tensor) -> Tensor:
    """PRAM of one pair of maps (B, C, H, W) as released: the mean squared difference of the normalised attention maps."""
    q_s, q_t = (F.normalize(maps.pow(2).mean(dim=1).flatten(1)) for maps in (student, teacher))
    return (q_s - q_t).pow(2).mean()


@contextmanager
def site_maps(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Within the context, what leaves each ReLU site in the latest forward pass."""
    maps: dict[str, Tensor] = {}
    sites = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.ReLU | ReferencePartialReLU)]
    hooks = [site.register_forward_hook(lambda _m, _x, y, name=name: maps.update({name: y})) for name, site in sites]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


class ReferenceObjective(Objective):
    """What the stages share: the three views of the same images. views: as our step takes it."""

    def __init__(self, network: ModeNetwork, views: ViewMaker, weights: dict[str, float]):
        assert views.names == VIEWS and not views.split_batch
        self.network, self.views, self.weights = network, views, weights

    def images(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """x and x_aug (B, C, H, W), labels (B,)."""
        device = self.views.device
        return batch.x.to(device).float() / 255, batch.x_augmented.to(device), batch.labels.to(device)

    def attacked(self, x: Tensor, loss: Callable[[Tensor], Tensor], epoch: int, step: int) -> Tensor:
        """x_adv, from the random start that `ViewMaker.adversarial` draws."""
        seed = seed_of(self.views.seed, epoch, step)
        noise = torch.rand(x.shape, generator=torch.Generator(x.device).manual_seed(seed), device=x.device)
        return plain_pgd(self.network, loss, x, self.views.attack, noise)


class ReferenceTeacher(ReferenceObjective):
    """Eq. 1: (CE(x) + CE(x_aug) + CE(x_adv)) / 3."""

    def __init__(self, network: ModeNetwork, views: ViewMaker):
        super().__init__(network, views, {f"ce_{view}": 1 / 3 for view in VIEWS})

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        x, x_aug, labels = self.images(batch)
        x_adv = self.attacked(x, lambda logits: F.cross_entropy(logits, labels), epoch, step)
        views = dict(zip(VIEWS, (x, x_aug, x_adv), strict=True))
        return {f"ce_{view}": F.cross_entropy(self.network(images, mode=view), labels) for view, images in views.items()}


class ReferenceStudent(ReferenceObjective):
    """Eq. 6, L_kl + L_ce, and with beta > 0 Eq. 7, + beta L_PRAM, of a partial-ReLU student."""

    def __init__(
        self, student: ModeNetwork, teacher: ModeNetwork, views: ViewMaker, config: DistillationConfig, beta: float
    ) -> None:
        assert config.pram == "released"
        weights = {f"ce_{view}": config.ce / 3 for view in VIEWS} | {f"kl_{view}": config.kl / 3 for view in VIEWS}
        if beta > 0:
            weights |= {"pram_clean": beta / 2, "pram_augmented": beta / 2}
        super().__init__(student, views, weights)
        self.teacher, self.config = teacher.eval(), config

    def terms(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        x, x_aug, labels = self.images(batch)
        # 1. The teacher's view of x, and for PRAM of x_aug.
        teacher_maps = {}
        with torch.no_grad(), site_maps(self.teacher) as latest:
            target = self.teacher(x)
            teacher_maps["clean"] = dict(latest)
            if "pram_clean" in self.weights:
                self.teacher(x_aug)
                teacher_maps["augmented"] = dict(latest)
        # 2. The attack on the KL from the teacher's clean prediction.
        x_adv = self.attacked(x, lambda logits: plain_kl(logits, target, self.config.attack_temperature), epoch, step)
        # 3. The student's views and their losses.
        terms = {}
        with site_maps(self.network) as latest:
            for view, images in zip(VIEWS, (x, x_aug, x_adv), strict=True):
                logits = self.network(images, mode=view)
                terms[f"ce_{view}"] = F.cross_entropy(logits, labels)
                terms[f"kl_{view}"] = plain_kl(logits, target, self.config.temperature)
                if f"pram_{view}" in self.weights:
                    stages = self.network.stage_sites
                    terms[f"pram_{view}"] = sum(plain_pram(latest[site], teacher_maps[view][site]) for site in stages)
                if view == "clean":
                    self.see(latest, teacher_maps["clean"])
        return terms

    def see(self, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> None:
        """Hook for the mask search: the post-ReLU maps of both networks on x, site -> (B, C, H, W)."""


class ReferenceSearch(ReferenceStudent):
    """Eq. 6, while |AR - PR| is summed up; `end_epoch` chooses the masks by it."""

    def __init__(self, *args: Any, counts: dict[str, int], settle: float):
        super().__init__(*args, beta=0.0)
        self.counts, self.settle = counts, settle
        sites = {name: site for name, site in self.network.named_modules() if isinstance(site, ReferencePartialReLU)}
        self.differences = {name: torch.zeros_like(site.mask, dtype=torch.float32) for name, site in sites.items()}

    @torch.no_grad()
    def see(self, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> None:
        for name, difference in self.differences.items():
            difference += (teacher[name] - student[name]).abs().sum(dim=0)

    def end_epoch(self) -> dict[str, float]:
        old, new = {}, {}
        for name, difference in self.differences.items():
            site = self.network.get_submodule(name)
            old[name], new[name] = site.mask.bool(), exact_topk(difference, self.counts[name])
            site.mask.copy_(new[name])
            difference.zero_()
        self.settled = mask_change(old, new) < self.settle
        return {"mask_change": mask_change(old, new)}


@dataclass(frozen=True)
class Side:
    """One of the two kinds of steps: its copy of a network, how it holds a teacher still, its precision, its objectives.

    precision: None is the one that was asked for.
    """

    name: str
    copy: Callable[[ModeNetwork], ModeNetwork]
    hold: Callable[[ModeNetwork, Compute], AbstractContextManager]
    precision: Precision | None
    teacher: Callable[..., Objective]
    search: Callable[..., Objective]
    student: Callable[..., Objective]

    def compute(self, compute: Compute) -> Compute:
        """The device and number format of its steps."""
        return replace(compute, precision=self.precision or compute.precision)


OURS = Side(
    name="ours",
    copy=lambda network: copy.deepcopy(network).to(memory_format=torch.channels_last),
    hold=lambda teacher, compute: frozen(teacher, "normal", compute.dtype),
    precision=None,
    teacher=TeacherObjective,
    search=partial(SearchObjective, score="mismatch"),
    student=StudentObjective,
)
REFERENCE = Side(
    name="reference",
    copy=plain_copy,
    hold=lambda _teacher, _compute: nullcontext(),
    precision="fp32",
    teacher=ReferenceTeacher,
    search=ReferenceSearch,
    student=ReferenceStudent,
)
