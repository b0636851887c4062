"""What the linear operations do to tensors (B, ...) of any dtype: in the clear, or to a party's share of them."""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from pi_bench.model.operations import (
    Addition,
    AveragePool,
    Concat,
    Conv,
    Linear,
    Operation,
    Pad,
    Reshape,
    Shape,
    Slice,
)

Product = Callable[[Tensor, Tensor], Tensor]


def combined(operation: Operation, inputs: Sequence[Tensor]) -> Tensor:
    """Sums and moves of elements. Raises ValueError for any other operation."""
    x = inputs[0]
    match operation:
        case Addition():
            return x + inputs[1]
        case Pad():
            front, top, left, back, bottom, right = operation.padding
            return functional.pad(x, (left, right, top, bottom, front, back))
        case Slice():
            return x[operation.region]
        case Concat():
            return torch.cat(tuple(inputs), operation.axis + 1)
        case Reshape():
            return x.reshape(len(x), *operation.shape)
    raise ValueError(f"the node {operation.name!r} ({operation.op}) cannot be computed here")


def product(operation: Conv | Linear) -> Product:
    """The operation's bilinear map of an input (B, ...) and a weight (O, ...), without bias."""
    if isinstance(operation, Linear):
        return functional.linear
    top, left, bottom, right = operation.padding
    symmetric = (top, left) == (bottom, right)

    def convolve(x: Tensor, weight: Tensor) -> Tensor:
        x = x if symmetric else functional.pad(x, (left, right, top, bottom))
        padding = (top, left) if symmetric else 0
        return torch.conv2d(x, weight, None, operation.stride, padding, operation.dilation, operation.groups)

    return convolve


def window_sums(operation: AveragePool, x: Tensor) -> Tensor:
    """The sum over each window, zeros around the map."""
    (kernel_h, kernel_w), (stride_h, stride_w) = operation.kernel, operation.stride
    top, left, bottom, right = operation.padding
    padded = functional.pad(x, (left, right, top, bottom))
    return padded.unfold(-2, kernel_h, stride_h).unfold(-2, kernel_w, stride_w).sum((-2, -1))


def window_counts(operation: AveragePool, input_shape: Shape) -> Tensor | int:
    """What the sums are divided by: the elements of a window, of each window where those of the padding do not count."""
    if operation.count_padding:
        return prod(operation.kernel)
    return window_sums(operation, torch.ones(1, *input_shape, dtype=torch.int64))
