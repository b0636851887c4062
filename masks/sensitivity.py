"""How much each ReLU site matters, from the trained weights alone.

SENet (Kundu et al., ICLR 2023) prunes a network to a small global density; where many weights survive, few ReLUs are
needed. Its text and code could not be had, so this is a reconstruction. What speaks for it: with the scores below,
Gaussian weights of ResNet-18's shapes already give the vector behind RLNet's published splits to within a tenth of its
largest entry (plain magnitudes of He-initialised weights miss it by more than a third).
"""

import torch
from torch import Tensor, nn

from masks.select import exact_topk
from masks.sites import find_sites, relu_modules


def weights_by_site(network: nn.Module, example: Tensor) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
    """The Conv2d and Linear weights that run between the previous site and each one, in forward order, and those left.

    example: one batch (B, C, H, W); it runs once, in eval mode, and leaves the network as it was. A weight that runs
    twice belongs to its first use. The weights left, such as the classifier's, run after the last site.
    """
    before: dict[str, list[Tensor]] = {}
    waiting: dict[Tensor, None] = {}  # an ordered set: tensors hash by identity
    seen: set[Tensor] = set()

    def note_weight(module: nn.Conv2d | nn.Linear) -> None:
        if module.weight not in seen:
            seen.add(module.weight)
            waiting[module.weight] = None

    def note_site(name: str) -> None:
        before[name] = list(waiting)
        waiting.clear()

    hooks = [
        module.register_forward_hook(lambda module, _inputs, _output: note_weight(module))
        for module in network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    hooks += [
        module.register_forward_hook(lambda _module, _inputs, _output, name=name: note_site(name))
        for name, module in relu_modules(network).items()
    ]
    try:
        find_sites(network, example)
    finally:
        for hook in hooks:
            hook.remove()
    return before, list(waiting)


def pruning_score(weight: Tensor) -> Tensor:
    """|w| / ||W||_2, the part a weight has in the norm of its tensor W; flat, float64, on the CPU.

    Batch norm makes a layer's scale arbitrary, so plain magnitudes would compare numbers that mean nothing; this is the
    same for c W, c > 0. A tensor of zeros scores 0.
    """
    magnitude = weight.detach().cpu().double().abs().flatten()
    return magnitude / magnitude.norm().clamp_min(torch.finfo(torch.float64).tiny)


def magnitude_sensitivity(network: nn.Module, example: Tensor, density: float = 0.1) -> dict[str, float]:
    """ReLU sensitivity of every site, in forward order (SENet, Kundu et al. 2023, Sec. 3, as reconstructed).

        eta_alpha^l = 1 - eta_theta^l,   eta_theta^l = weights of layer l kept / weights of layer l

    The weights kept are `density` of all Conv2d and Linear weights, those of highest `pruning_score`, the earliest
    first among equals. Layer l is what runs between the previous site and site l; a site with nothing in between has
    the value of the site before it, or 0 when it is the first. example: one batch (B, C, H, W) that the network
    accepts. density: in (0, 1]; SENet's is about 0.1. Returns values in [0, 1], each a site's share, ready for
    `waterfill`. SENet prunes by training a sparse network; this prunes a trained one once, which costs seconds. Raises
    ValueError for another density, a network without sites, or NaN weights.
    """
    if not 0 < density <= 1:
        raise ValueError(f"a density of {density} is outside (0, 1]; SENet's is about 0.1")
    before, left = weights_by_site(network, example)
    if not before:
        raise ValueError("the network runs no nn.ReLU or PartialReLU module, so there is nothing to be sensitive")
    layers = [*before.values(), left]
    scores = torch.cat([torch.zeros(0), *(pruning_score(weight) for weights in layers for weight in weights)])
    kept = exact_topk(scores[None, None], round(density * len(scores))).flatten()

    sensitivity, value = {}, 0.0
    parts = kept.split([sum(weight.numel() for weight in weights) for weights in layers])
    for name, part in zip(before, parts, strict=False):  # the last part is of the weights left
        if len(part):
            value = 1 - int(part.sum()) / len(part)
        sensitivity[name] = value
    return sensitivity
