"""What a network costs: parameters, multiply-accumulates, ReLUs, and the shape of every ReLU site; nothing is computed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from masks import Shape, find_sites
from rlnet.models import frozen
from rlnet.models.building import build_specification
from rlnet.models.denoising import DotProduct, Gaussian, MeanFilter
from rlnet.models.inverted_residual import HSwish, InnerReLU
from rlnet.models.specifications.specification import Specification

# Beside the ReLU sites: min(max(x + 3, 0), 6) compares twice; h-swish's product with x is a multiplication of secrets.
COMPARISONS = {HSwish: 2, nn.Hardsigmoid: 2, InnerReLU: 1}
DENOISING = (MeanFilter, DotProduct, Gaussian)  # say themselves what they multiply; a softmax's comparisons are not counted


@dataclass(frozen=True)
class Cost:
    """parameters: of one batch-norm path. macs: multiply-accumulates of convolutions, linear layers and denoising filters per
    image. relus: scalar ReLUs per image. comparisons: scalar secure comparisons per image, those of squeeze-and-excitation
    included; an h-swish or hard sigmoid has 2. layers: convolutions, linear layers and denoising filters. sites: (name, (C, H,
    W)) of each ReLU site, in forward order."""

    parameters: int
    macs: int
    relus: int
    comparisons: int
    layers: int
    sites: tuple[tuple[str, Shape], ...]


@lru_cache(maxsize=100_000)
def cost(spec: Specification, image_shape: Shape, num_classes: int) -> Cost:
    """The cost of a specification's all-ReLU network on images (C, H, W)."""
    with _outline(spec, image_shape, num_classes) as network:
        return cost_of(network, image_shape)


def cost_of(network: nn.Module, image_shape: Shape) -> Cost:
    """The cost of a network with one batch-norm path; it may be on the meta device."""
    counts, sites = _counts(network, image_shape)
    total = {name: sum(counts[name].values()) for name in counts}
    comparisons, layers = total["relus"] + total["comparisons"], len(counts["macs"])
    return Cost(total["parameters"], total["macs"], total["relus"], comparisons, layers, tuple(sites.items()))


def costs_of_parts(
    spec: Specification, image_shape: Shape, num_classes: int, parts: Sequence[str]
) -> dict[str, dict[str, int]]:
    """What modules of a network cost, by name: of each its relus, macs and parameters; under "" those of all other modules."""
    found = {part: dict.fromkeys(("relus", "macs", "parameters"), 0) for part in (*parts, "")}
    with _outline(spec, image_shape, num_classes) as network:
        counts, _ = _counts(network, image_shape)
    for quantity in found[""]:
        for name, count in counts[quantity].items():
            part = next((part for part in parts if name.startswith(f"{part}.")), "")
            found[part][quantity] += count
    return found


@contextmanager
def _outline(spec: Specification, image_shape: Shape, num_classes: int) -> Iterator[nn.Module]:
    """Within the context the network without weights, its batch norms folded, which would take most of the time."""
    with torch.device("meta"):
        network = build_specification(spec, num_classes, (0.5,) * image_shape[0], (0.5,) * image_shape[0], "single")
    with frozen(network, "normal", torch.float32):
        yield network


def _counts(network: nn.Module, image_shape: Shape) -> tuple[dict[str, dict[str, int]], dict[str, Shape]]:
    """relus, macs, comparisons beside those of ReLUs, and parameters, each by module, of one image; and the ReLU sites."""
    macs, comparisons = {}, {}

    def counter(name: str) -> Callable[..., None]:
        def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if isinstance(module, nn.Conv2d):
                macs[name] = macs.get(name, 0) + output[0].numel() * module.weight[0].numel()
            elif isinstance(module, nn.Linear):
                macs[name] = macs.get(name, 0) + module.weight.numel()
            elif isinstance(module, DENOISING):
                macs[name] = macs.get(name, 0) + module.macs(tuple(output.shape[1:]))
            else:
                comparisons[name] = comparisons.get(name, 0) + COMPARISONS[type(module)] * output[0].numel()

        return note

    counted = (nn.Conv2d, nn.Linear, *COMPARISONS, *DENOISING)
    modules = {name: module for name, module in network.named_modules() if isinstance(module, counted)}
    hooks = [module.register_forward_hook(counter(name)) for name, module in modules.items()]
    try:
        sites = find_sites(network, torch.zeros(1, *image_shape, device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    relus = {name: c * h * w for name, (c, h, w) in sites.items()}
    parameters = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return {"relus": relus, "macs": macs, "comparisons": comparisons, "parameters": parameters}, sites
