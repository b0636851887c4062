"""What layers of any network compute, by name: the units of a student, and the layers of a teacher that may be tutors.

A unit is a convolution with its batch norm and, where one follows, its activation, as in RNAS-CL's code. A teacher may be any
torch module from images in [0, 1] to logits; tokens of a transformer are put back into the map they came from.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlnet.models.inverted_residual import InvertedResidual, InvertedResidualNet

LEAST_TOKENS = 4  # fewer are no map


@contextmanager
def watched(modules: Mapping[str, nn.Module], keep: Callable[[Tensor], Tensor] = lambda a: a) -> Iterator[dict[str, Tensor]]:
    """Within the context, what each module returned last, as a map (B, C, H, W) where it is one.

    keep: what is kept of it, computed at once: an activation in place may follow and write over it.
    """
    latest: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[..., None]:
        def note(_module: nn.Module, _inputs: object, output: object) -> None:
            found = as_map(output[0] if isinstance(output, tuple) else output)
            if found is not None:
                latest[name] = keep(found)

        return note

    hooks = [module.register_forward_hook(keeper(name)) for name, module in modules.items()]
    try:
        yield latest
    finally:
        for hook in hooks:
            hook.remove()


def as_map(a: object) -> Tensor | None:
    """A map (B, C, H, W) as it is; tokens (B, N, C) as (B, C, s, s), the last s^2 of them; None for anything else.

    s is the largest that fits: a class token and registers stand in front.
    """
    if isinstance(a, Tensor) and a.dim() == 4:
        return a
    if isinstance(a, Tensor) and a.dim() == 3 and a.shape[1] >= LEAST_TOKENS:
        s = math.isqrt(a.shape[1])
        return a[:, -s * s :].transpose(1, 2).unflatten(2, (s, s))
    return None


def teacher_layers(teacher: nn.Module, example: Tensor, names: list[str] | None = None) -> list[str]:
    """The names of the modules that may be tutors, in the order in which they first compute.

    example: images (B, C, H, W). names: of these modules; by default all convolutions, and all modules of which an attention is
    a part, as the blocks of a transformer. Raises ValueError where a name is none, a module returns no map, or none does.
    """
    modules = dict(teacher.named_modules())
    if names is not None and (unknown := [name for name in names if name not in modules]):
        raise ValueError(
            f"the teacher has no module {unknown[0]!r}; its layers are called like {', '.join(list(modules)[1:4])}"
        )
    wanted = names if names is not None else [name for name, module in modules.items() if _may_be_tutor(module)]
    training = {module: module.training for module in modules.values()}
    try:
        with torch.no_grad(), watched({name: modules[name] for name in wanted}) as found:
            teacher.eval()(example)
    finally:
        for module, flag in training.items():
            module.training = flag
    if names is not None and (silent := [name for name in names if name not in found]):
        raise ValueError(f"{silent[0]!r} of the teacher returns neither a map (B, C, H, W) nor tokens (B, N, C)")
    if not found:
        raise ValueError(
            "the teacher has no convolution and no transformer block that could be a tutor; name some in tutor.layers"
        )
    return list(found)


def _may_be_tutor(module: nn.Module) -> bool:
    is_block = any(isinstance(child, nn.MultiheadAttention) for child in module.children())
    return is_block or isinstance(module, nn.Conv2d)


@dataclass(frozen=True)
class Unit:
    """output: the module whose output is the unit's. gate: what masks its channels while widths are searched."""

    output: nn.Module
    gate: nn.Module


def student_units(network: InvertedResidualNet) -> dict[str, Unit]:
    """The units of a network of inverted residuals by the names of their convolutions, in forward order."""
    units = {"conv1": Unit(network.relu, nn.Identity())}
    for name, block in network.named_modules():
        if isinstance(block, InvertedResidual):
            if block.expand is not None:
                units[f"{name}.expand"] = Unit(block.relu1, block.shrink_mid)
            units[f"{name}.depthwise"] = Unit(block.relu2, block.shrink_mid)
            units[f"{name}.project"] = Unit(block.project, block.shrink_out)
    if network.head is not None:
        units["head"] = Unit(network.head_relu, network.shrink_head)
    return units


@contextmanager
def watched_units(units: Mapping[str, Unit]) -> Iterator[Callable[[], list[Tensor]]]:
    """Within the context, a function that gives the latest maps of all units, in order, masked as their gates are now."""
    with watched({name: unit.output for name, unit in units.items()}) as latest:
        yield lambda: [unit.gate(latest[name]) for name, unit in units.items()]
