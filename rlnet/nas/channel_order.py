"""The order of the channels inside blocks: the most important first, for a sub-network has the first ones.

Once-for-All (Cai et al. 2020, Sec. 3, "elastic width") orders them by the L1 norm of the weights that read them, when the
phases begin in which blocks become narrower inside.
"""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from rlnet.models.batch_norm import NormedConv2d
from rlnet.models.bottleneck import Bottleneck
from rlnet.models.inverted_residual import InvertedResidual, SqueezeExcitation

Dimension = tuple[Tensor, int]
"""A tensor, and which of its dimensions is a block's inner channels."""


def inner_widths(network: nn.Module) -> dict[str, int]:
    """How many inner channels each block of a network has, by module path."""
    blocks = {name: module for name, module in network.named_modules() if isinstance(module, Bottleneck | InvertedResidual)}
    return {name: _reader(block).weight.shape[1] for name, block in blocks.items()}


@torch.no_grad()
def sort_channels(supernet: nn.Module, optimizer: torch.optim.Optimizer, parts: list[nn.Module]) -> None:
    """Sorts the inner channels of every block by importance, with all that the optimizer knows of them.

    parts: networks that the supernet was trained for. They compute what they did: channels change places only among those that
    the same ones of them have. The largest network is always one of them.
    """
    widths = [inner_widths(part) for part in parts]
    for name, block in supernet.named_modules():
        if isinstance(block, Bottleneck | InvertedResidual):
            cuts = {part[name] for part in widths if name in part}
            for weight, dimensions in _groups(block):
                order = _order(weight.abs().sum(dim=(0, 2, 3)), cuts)
                for tensor, dimension in dimensions:
                    for moved in (tensor, *_moments(optimizer, tensor)):
                        moved.copy_(moved.index_select(dimension, order))


def _order(importance: Tensor, cuts: set[int]) -> Tensor:
    """Places of (C,) by descending importance, separately between two cuts; equals keep their order."""
    borders = sorted({0, *cuts, len(importance)})
    bands = [a + importance[a:b].argsort(descending=True, stable=True) for a, b in pairwise(borders)]
    return torch.cat(bands)


def _groups(block: Bottleneck | InvertedResidual) -> Iterator[tuple[Tensor, list[Dimension]]]:
    """Each group of channels that can be sorted: the weight (O, C, kH, kW) that reads it, and all that it numbers."""
    if isinstance(block, Bottleneck):
        yield block.conv2.weight, [*_written(block.conv1), (block.conv2.weight, 1)]
        yield block.conv3.weight, [*_written(block.conv2), (block.conv3.weight, 1)]
    elif block.expand is not None:  # else they are the channels of the block's input
        gate = _squeezed(block.se) if isinstance(block.se, SqueezeExcitation) else []
        written = [*_written(block.expand), *_written(block.depthwise)]
        yield block.project.weight, [*written, *gate, (block.project.weight, 1)]


def _reader(block: Bottleneck | InvertedResidual) -> NormedConv2d:
    """The convolution that reads a block's inner channels last."""
    return block.conv3 if isinstance(block, Bottleneck) else block.project


def _written(conv: NormedConv2d) -> list[Dimension]:
    """What is numbered by a convolution's outputs: its weight and bias, and all of its batch norms."""
    norms = [norm for path in conv.bn.paths.values() for norm in (path.running_mean, path.running_var, path.weight, path.bias)]
    return [(tensor, 0) for tensor in (conv.weight, conv.bias, *norms) if tensor is not None]


def _squeezed(se: SqueezeExcitation) -> list[Dimension]:
    return [(se.reduce.weight, 1), (se.expand.weight, 0), (se.expand.bias, 0)]


def _moments(optimizer: torch.optim.Optimizer, tensor: Tensor) -> list[Tensor]:
    """What an optimizer keeps for each element of a parameter."""
    kept = optimizer.state.get(tensor, {}).values() if isinstance(tensor, nn.Parameter) else ()
    return [value for value in kept if isinstance(value, Tensor) and value.shape == tensor.shape]
