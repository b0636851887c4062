"""One party's share of a fixed-point value, and what the party does to it alone.

A value is the sum of both parties' shares modulo 2^64. Where the shares come from, and in which phase a party has its share, is
the protocol's matter: additive sharing and masking look the same from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pi_bench.model.arithmetic import combined, window_counts, window_sums
from pi_bench.model.operations import AveragePool, Operation, Shape
from pi_bench.protocols.shares.audit import Notes
from pi_bench.protocols.shares.fixed_point import encode


@dataclass
class Share:
    """words: int64 (B, ...). bits: how many of them are fractional."""

    words: Tensor
    bits: int
    _lower: dict[int, "Share"] = field(default_factory=dict, repr=False)

    def at(self, bits: int, notes: Notes | None = None) -> "Share":
        """The share with so many fractional bits: shifted up, which is exact, or truncated, once for all who ask.

        notes: takes down what an auditor needs to know of the truncation.
        """
        if bits == self.bits:
            return self
        if bits > self.bits:
            return Share(self.words << (bits - self.bits), bits)
        if bits not in self._lower:
            self._lower[bits] = Share(truncated(self.words, self.bits - bits, notes), bits)
        return self._lower[bits]


def truncated(words: Tensor, bits: int, notes: Notes | None, image: Tensor | None = None) -> Tensor:
    """words / 2^bits, each rounded to the nearest whole number, so that the value's error is below one unit and 0 on average.

    Off by 2^(64 - bits) where the truncation wraps (`Notes`).
    """
    if notes is not None:
        notes.truncated(words, image)
    return (words >> bits) + ((words >> (bits - 1)) & 1)


def local_bits(operation: Operation, inputs: Sequence[int], precision_bits: int) -> int:
    """The fractional bits of what `locally` gives for inputs with so many; a pool divides, so its input is truncated first."""
    return precision_bits if isinstance(operation, AveragePool) else max(inputs)


def locally(
    operation: Operation, inputs: Sequence[Share], shape: Shape, precision_bits: int, notes: Notes | None = None
) -> Share:
    """An operation that each party does to its share alone. shape: of the first input, for one image.

    A constant is added by one party only, so a Bias is not done here (`with_constant`).
    """
    bits = local_bits(operation, [x.bits for x in inputs], precision_bits)
    words = [x.at(bits, notes).words for x in inputs]
    if not isinstance(operation, AveragePool):
        return Share(combined(operation, words), bits)
    sums = window_sums(operation, words[0])
    if notes is not None:
        notes.truncated(sums)
    return Share(sums.div(window_counts(operation, shape), rounding_mode="trunc"), bits)


def with_constant(x: Share, constant: np.ndarray) -> Share:
    """x plus a constant, broadcastable to it; for the party that knows it."""
    return Share(x.words + encode(constant, x.bits), x.bits)


def room_like(share: Share) -> Tensor:
    """Room for another party's words of the same shape."""
    return torch.empty(share.words.shape, dtype=torch.int64)
