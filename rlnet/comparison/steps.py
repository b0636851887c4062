"""How long a training step of each stage takes, ours beside the plain one of `rlnet.reference`, timed on one batch in one run.

Both of a pair run back to back, so that whatever else the machine does meets both; what counts is their ratio.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from masks import PartialReLU, find_sites, linearize, parse_budget, random_mask, waterfill
from rlnet.comparison.config import StepsConfig
from rlnet.config import plain
from rlnet.data.batches import Batch
from rlnet.progress import bar
from rlnet.reference import OURS, REFERENCE, VIEWS, ReferencePartialReLU, Side
from rlnet.trained import Facts
from rlnet.training.config import DistillationConfig
from rlnet.training.device import Compute
from rlnet.training.objective import Objective
from rlnet.training.views import ViewMaker

CLASSES = tuple("0123456789")
SITE_SHAPE, SITE_BATCH, SITE_PASSES = (64, 32, 32), 64, 5  # the partial ReLU alone: so many passes are one measurement


def interleaved(
    ours: Callable[[], None],
    reference: Callable[[], None],
    repeats: int,
    images: int,
    device: torch.device,
    advance: Callable,
    reference_images: int | None = None,
) -> dict[str, list[float]]:
    """Milliseconds per image of both calls and their ratio, pair by pair.

    In every pair the other one of the two goes first; one more pair, the first of all, only warms up. images: how many one
    call takes; reference_images: how many the reference takes, if not as many.
    """
    counts = {"ours": images, "reference": images if reference_images is None else reference_images}
    found: dict[str, list[float]] = {name: [] for name in counts}
    calls = [("ours", ours), ("reference", reference)]
    for pair in range(repeats + 1):
        for name, call in calls if pair % 2 else reversed(calls):
            _wait(device)
            started = time.perf_counter()
            call()
            _wait(device)
            if pair > 0:
                found[name].append((time.perf_counter() - started) / counts[name] * 1e3)
        advance()
    return {**found, "ratio": [plain_ms / our_ms for our_ms, plain_ms in zip(*found.values(), strict=True)]}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def training_step(objective: Objective, optimizer: torch.optim.Optimizer, batch: Batch, compute: Compute) -> None:
    """What `rlnet.training.loop` does with a batch."""
    with compute.autocast():
        terms = objective.terms(batch, 0, 0)
    loss = sum(weight * terms[name] for name, weight in objective.weights.items())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


class Task:
    """What both sides compute: a network and a partial-ReLU student of the same weights, a batch of noise, an attack."""

    def __init__(self, config: StepsConfig, compute: Compute):
        shape = (3, config.image_size, config.image_size)
        facts = Facts(config.network, "random", CLASSES, shape, mean=(0.5,) * 3, std=(0.25,) * 3)
        self.network = facts.build(config.seed)
        sites = find_sites(self.network, facts.example)
        capacities = [c * h * w for c, h, w in sites.values()]
        self.total = sum(capacities)
        self.budget = parse_budget(str(config.relu_budget), self.total)
        self.counts = dict(zip(sites, waterfill(capacities, capacities, self.budget), strict=True))
        generator = torch.Generator().manual_seed(config.seed)
        self.student = copy.deepcopy(self.network)
        linearize(self.student, {name: random_mask(sites[name], count, generator) for name, count in self.counts.items()})
        images = (config.batch_size, *shape)
        self.batch = Batch(
            index=torch.arange(config.batch_size),
            x=torch.randint(256, images, generator=generator, dtype=torch.uint8),
            x_augmented=torch.rand(images, generator=generator),
            labels=torch.randint(len(CLASSES), images[:1], generator=generator),
        )
        self.views = ViewMaker(VIEWS, config.attack, split_batch=False, seed=config.seed, device=compute.device)
        self.compute = compute

    @contextmanager
    def objectives(self, side: Side) -> Iterator[dict[str, Objective]]:
        """A side's objective of each stage, each with networks of its own in training mode."""
        device, config = self.compute.device, DistillationConfig()
        teacher, first, second, third = (
            side.copy(network).to(device) for network in (self.network, self.network, self.student, self.student)
        )
        with side.hold(teacher, side.compute(self.compute)):
            objectives = {
                "teacher": side.teacher(first, self.views),
                "mask search": side.search(second, teacher, self.views, config, counts=self.counts, settle=0.0),
                "fine-tuning": side.student(third, teacher, self.views, config, beta=config.beta),
            }
            for objective in objectives.values():
                objective.network.train()
            yield objectives

    @contextmanager
    def steps(self, side: Side) -> Iterator[dict[str, Callable[[], None]]]:
        """A side's training step of each stage; at a learning rate of 0, so that each step computes what the last one did."""
        with self.objectives(side) as objectives:
            yield {
                stage: partial(
                    training_step,
                    objective,
                    torch.optim.SGD(objective.network.parameters(), lr=0.0, momentum=0.9, weight_decay=5e-4),
                    self.batch,
                    side.compute(self.compute),
                )
                for stage, objective in objectives.items()
            }


class Site:
    """One ReLU site with a partial ReLU of a side, and a map of noise (B, C, H, W) as that side's network would bring it."""

    def __init__(self, side: Side, compute: Compute, seed: int):
        generator = torch.Generator().manual_seed(seed)
        mask = random_mask(SITE_SHAPE, math.prod(SITE_SHAPE) // 11, generator)
        x = torch.randn(SITE_BATCH, *SITE_SHAPE, generator=generator).to(compute.device)
        if side is OURS:
            self.module: nn.Module = PartialReLU(mask).to(compute.device, memory_format=torch.channels_last)
            self.x = x.to(compute.dtype, memory_format=torch.channels_last).requires_grad_(True)
        else:
            self.module, self.x = ReferencePartialReLU(mask).to(compute.device), x.requires_grad_(True)
        self.gradient = torch.ones_like(self.x)

    def passes(self) -> None:
        """Forward and backward passes, several of them."""
        for _ in range(SITE_PASSES):
            torch.autograd.grad(self.module(self.x), self.x, self.gradient)


def saved_bytes(site: Site) -> dict[str, float]:
    """What autograd keeps of a forward pass for the backward one, in bytes per element of the map; a storage counts once.

    "beside its output" leaves out what shares its storage with the partial ReLU's output, which the next layer keeps anyway.
    """
    saved: list[Tensor] = []
    with saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        y = site.module(site.x)
    sizes = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in saved}
    output = sizes.get(y.untyped_storage().data_ptr(), 0)
    return {
        "in all": sum(sizes.values()) / site.x.numel(),
        "beside its output": (sum(sizes.values()) - output) / site.x.numel(),
    }


def time_steps(config: StepsConfig, compute: Compute) -> dict[str, Any]:
    """Times every stage's step and the partial ReLU alone; returns part of a card."""
    task = Task(config, compute)
    our_site, plain_site = Site(OURS, compute, config.seed), Site(REFERENCE, compute, config.seed)
    found = {}
    with task.steps(OURS) as ours, task.steps(REFERENCE) as reference, bar("benchmark", 4 * (config.repeats + 1)) as progress:
        timed = partial(interleaved, repeats=config.repeats, device=compute.device, advance=progress.advance)
        for stage, step in ours.items():
            progress.note(stage)
            found[f"{stage} step"] = timed(step, reference[stage], images=config.batch_size)
        progress.note("partial ReLU")
        found["partial ReLU"] = timed(our_site.passes, plain_site.passes, images=SITE_BATCH * SITE_PASSES)
    return {
        "network": plain(config.network),
        "image_size": config.image_size,
        "batch_size": config.batch_size,
        "attack": plain(config.attack),
        "relu": {"total": task.total, "budget": task.budget},
        "ms_per_image": found,
        "saved_bytes_per_element": {
            kept: {"ours": saved_bytes(our_site)[kept], "reference": saved_bytes(plain_site)[kept]}
            for kept in ("in all", "beside its output")
        },
    }
