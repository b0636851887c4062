"""Convolutions and matrix products over Z / 2^64, exact, at the speed of float64.

torch multiplies int64 matrices several times slower than float64 ones. So one operand (or both) is cut into signed limbs of
few bits: x = sum_i x_i 2^(b i). Every product of limbs, summed over a filter, stays below 2^53 and is exact in float64; the
results are shifted into place and added modulo 2^64.
"""

from math import ceil, prod

import torch
from torch import Tensor

from pi_bench.model.arithmetic import Product, product
from pi_bench.model.operations import Conv, Linear

_EXACT_BITS = 53  # integers of up to this magnitude are exact in float64
_WORD_BITS = 64
_PAIR_BITS = 22  # limbs of both operands: 2 * 21 bits of magnitude leave room for 2^11 summands
_PAIR_SUMMANDS = 1 << 11


def limbs(x: Tensor, bits: int) -> list[Tensor]:
    """Signed limbs of int64 x, low one first, as float64: x = sum_i limb_i 2^(bits i) mod 2^64, |limb_i| <= 2^(bits - 1)."""
    found = []
    for _ in range(ceil(_WORD_BITS / bits) - 1):
        shift = _WORD_BITS - bits
        low = (x << shift) >> shift  # sign extension of the low bits
        found.append(low.double())
        x = (x - low) >> bits
    return [*found, x.double()]


class SmallWeight:
    """A weight prepared for products with any ring elements, fast where its entries are far below 2^64, as a network's are."""

    def __init__(self, operation: Conv | Linear, weight: Tensor):
        """weight: int64 of the operation's weight shape."""
        total = weight.double().abs().flatten(1).sum(1).max().clamp(min=1)  # the most a filter can multiply an entry by
        room = _EXACT_BITS + 1 - int(torch.log2(total).ceil())
        if room < 8:
            raise ValueError(f"{operation.name}: weights are too large for the fixed-point range; lower --precision-bits")
        self._bits = ceil(_WORD_BITS / ceil(_WORD_BITS / min(room, 32)))
        self._weight = weight.double()
        self._product = product(operation)

    def times(self, x: Tensor) -> Tensor:
        """The operation on int64 x (B, ...) modulo 2^64, without bias."""
        parts = limbs(x, self._bits)
        outputs = self._product(torch.cat(parts), self._weight).to(torch.int64).chunk(len(parts))
        total = outputs[0].clone()
        for index, output in enumerate(outputs[1:], start=1):
            total += output << (self._bits * index)
        return total


def multiply(operation: Conv | Linear, x: Tensor, weight: Tensor) -> Tensor:
    """The operation on any int64 x (B, ...) and any int64 weight modulo 2^64, without bias."""
    per_channel = prod(weight.shape[2:])
    step = max(1, _PAIR_SUMMANDS // per_channel)
    if isinstance(operation, Conv) and operation.groups > 1:
        if weight[0].numel() > _PAIR_SUMMANDS:
            return product(operation)(x, weight)  # wide groups: torch's own int64 product
        step = x.shape[1]
    total = None
    for start in range(0, x.shape[1], step):
        grouped = step == x.shape[1]
        part = _multiply_pairs(
            product(operation), x[:, start : start + step], weight if grouped else weight[:, start : start + step]
        )
        total = part if total is None else total.add_(part)
    return total


def _multiply_pairs(apply: Product, x: Tensor, weight: Tensor) -> Tensor:
    """All products of limbs whose place is below 2^64."""
    of_x, of_weight = limbs(x, _PAIR_BITS), limbs(weight, _PAIR_BITS)
    total = 0
    for place, weight_limb in enumerate(of_weight):
        needed = of_x[: len(of_x) - place]  # the limbs of x whose product with this one is not a multiple of 2^64
        outputs = apply(torch.cat(needed), weight_limb).to(torch.int64).chunk(len(needed))
        for index, output in enumerate(outputs):
            total = total + (output << (_PAIR_BITS * (index + place)))
    return total
