"""What a network costs: parameters, multiply-accumulates, ReLUs, and the shape of every ReLU site; nothing is computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from masks import Shape, find_sites
from rlnet.models.denoising import DotProduct, Gaussian, MeanFilter
from rlnet.models.inverted_residual import HSwish, InnerReLU
from rlnet.models.specification import Specification

# Beside the ReLU sites: min(max(x + 3, 0), 6) compares twice; h-swish's product with x is a multiplication of secrets.
COMPARISONS = {HSwish: 2, nn.Hardsigmoid: 2, InnerReLU: 1}
DENOISING = (MeanFilter, DotProduct, Gaussian)  # say themselves what they multiply; a softmax's comparisons are not counted


@dataclass(frozen=True)
class Cost:
    """parameters: of one batch-norm path. macs: multiply-accumulates of convolutions, linear layers and denoising filters per
    image. relus: scalar ReLUs per image. comparisons: scalar secure comparisons per image, those of squeeze-and-excitation
    included; an h-swish or hard sigmoid has 2. sites: (name, (C, H, W)) of each ReLU site, in forward order."""

    parameters: int
    macs: int
    relus: int
    comparisons: int
    sites: tuple[tuple[str, Shape], ...]


@lru_cache(maxsize=100_000)
def cost(spec: Specification, image_shape: Shape, num_classes: int) -> Cost:
    """The cost of a specification's all-ReLU network on images (C, H, W)."""
    with torch.device("meta"):
        network = spec.build(num_classes, (0.5,) * image_shape[0], (0.5,) * image_shape[0], "single").eval()
    return cost_of(network, image_shape)


def cost_of(network: nn.Module, image_shape: Shape) -> Cost:
    """The cost of a network with one batch-norm path; it may be on the meta device."""
    device = next(network.parameters()).device
    with _counted(network) as counts:
        sites = find_sites(network, torch.zeros(1, *image_shape, device=device))
    relus = sum(c * h * w for c, h, w in sites.values())
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Cost(parameters, counts["macs"], relus, relus + counts["comparisons"], tuple(sites.items()))


@contextmanager
def _counted(network: nn.Module) -> Iterator[dict[str, int]]:
    """Within the context, the multiply-accumulates and the comparisons beside ReLUs of all forward passes of one image."""
    counts = {"macs": 0, "comparisons": 0}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            counts["macs"] += output[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            counts["macs"] += module.weight.numel()
        elif isinstance(module, DENOISING):
            counts["macs"] += module.macs(tuple(output.shape[1:]))
        else:
            counts["comparisons"] += COMPARISONS[type(module)] * output[0].numel()

    counted = (nn.Conv2d, nn.Linear, *COMPARISONS, *DENOISING)
    hooks = [module.register_forward_hook(note) for module in network.modules() if isinstance(module, counted)]
    try:
        yield counts
    finally:
        for hook in hooks:
            hook.remove()
