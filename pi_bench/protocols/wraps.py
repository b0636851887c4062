"""Wrapped truncations, found exactly, without a word between the parties.

A party truncates its share of z = z_0 + z_1 (mod 2^64) by itself. That is right to one unit unless the sum of the signed shares
is off z by 2^64; then the result is wrong by 2^64 / divisor. This happens just when both shares have the same sign and add up
to more than 2^64 - |z| in magnitude, so that each of them is within |z| of +-2^63. A party notes where its own share is that
close; an auditor who gets both notes (the benchmark, never a party) intersects them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

VALUE_BITS = 57  # exact for |z| < 2^57; a share is that close to +-2^63 once in 64 times


@dataclass
class WrapNotes:
    """What one party notes during one inference: (image, truncation, element, sign) of the shares that may wrap."""

    truncations: int = 0
    notes: list[np.ndarray] = field(default_factory=list)

    def note(self, share: Tensor) -> None:
        """Looks at a share (B, ...) that is about to be truncated."""
        flat = share.flatten()
        near = torch.nonzero((flat + 2**VALUE_BITS < flat) | (flat - 2**VALUE_BITS > flat)).flatten()  # these overflow
        image = near // (share.numel() // len(share))
        self.notes.append(torch.stack([image, torch.full_like(near, self.truncations), near, flat[near].sign()], 1).numpy())
        self.truncations += 1

    def array(self) -> np.ndarray:
        """All notes: int64 (N, 4)."""
        return np.concatenate(self.notes) if self.notes else np.empty((0, 4), np.int64)


def wraps(server: Sequence[Sequence[int]], client: Sequence[Sequence[int]]) -> list[int]:
    """The image of each truncation that wrapped: of notes of the same element with the same sign at both parties."""
    return [image for image, *_ in set(map(tuple, server)) & set(map(tuple, client))]
