"""The ReLU sites of a network: finding them, replacing them by partial ReLUs, looking at what leaves them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from masks.partial_relu import PartialReLU

Shape = tuple[int, int, int]
Masks = dict[str, Tensor]


def relu_modules(network: nn.Module) -> dict[str, nn.ReLU | PartialReLU]:
    """The network's ReLU modules by module path, in the order of registration."""
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.ReLU | PartialReLU)}


def find_sites(network: nn.Module, example: Tensor) -> dict[str, Shape]:
    """Every ReLU site by module path with its shape (C, H, W), in forward order.

    example: one batch (B, C, H, W) the network accepts; it runs once, in eval mode and without gradients. Raises
    ValueError where one ReLU module runs twice in a forward pass (its two maps could not have masks of their own).
    """
    modules = relu_modules(network)
    sites: dict[str, Shape] = {}

    def note(name: str, output: Tensor) -> None:
        if name in sites:
            raise ValueError(f"the ReLU module {name!r} runs more than once in a forward pass; give each use its own")
        shape = tuple(output.shape[1:])
        sites[name] = shape + (1,) * (3 - len(shape))

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output, name=name: note(name, output))
        for name, module in modules.items()
    ]
    training = {module: module.training for module in network.modules()}
    try:
        network.eval()
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
        for module, flag in training.items():
            module.training = flag
    return sites


def linearize(network: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Replaces, in place, the ReLU of every site named in `masks` by the partial ReLU of its mask, bool (C, H, W).

    A site that is partial already gets the new mask. Raises ValueError for a name that is not a ReLU site.
    """
    modules = relu_modules(network)
    for name, mask in masks.items():
        if name not in modules:
            raise ValueError(f"the network has no ReLU site {name!r}; its sites are {', '.join(modules)}")
        module = modules[name]
        if isinstance(module, PartialReLU):
            module.mask = mask
        else:
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, PartialReLU(mask, inplace=module.inplace))


def get_masks(network: nn.Module) -> Masks:
    """The masks of the network's partial ReLUs, bool (C, H, W) by module path."""
    return {name: module.mask for name, module in relu_modules(network).items() if isinstance(module, PartialReLU)}


def masks_of(network: nn.Module, sites: Mapping[str, Shape]) -> Masks:
    """A mask for every site, bool (C, H, W): an all-ReLU site keeps everything."""
    partial = get_masks(network)
    return {name: partial.get(name, torch.ones(shape, dtype=torch.bool)) for name, shape in sites.items()}


def count_kept(masks: Mapping[str, Tensor]) -> int:
    """How many scalar ReLUs per image the masks keep."""
    return sum(int(mask.sum()) for mask in masks.values())


@contextmanager
def capture(network: nn.Module, names: list[str] | None = None, before: bool = False) -> Iterator[dict[str, Tensor]]:
    """Within the context, what leaves each site in the latest forward pass: (B, C, H, W) by name, gradients attached.

    names: the sites of interest; None is all. before: what enters the sites instead, as detached copies (a site may work in
    place).
    """
    maps: dict[str, Tensor] = {}
    modules = relu_modules(network)
    chosen = {name: modules[name] for name in (modules if names is None else names)}
    if before:
        hooks = [
            module.register_forward_pre_hook(lambda _module, inputs, name=name: maps.update({name: inputs[0].detach().clone()}))
            for name, module in chosen.items()
        ]
    else:
        hooks = [
            module.register_forward_hook(lambda _module, _inputs, output, name=name: maps.update({name: output}))
            for name, module in chosen.items()
        ]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()
