"""What a party notes during an inference for an auditor, who gets the notes of both parties; they tell each other nothing.

The benchmark is the auditor where it has started both parties. Nobody is where they run on two hosts.

A wrapped truncation. A party truncates its share of z = z_0 + z_1 (mod 2^64) by itself. That is right to one unit unless the
sum of the signed shares is off z by 2^64; then the result is wrong by 2^64 / divisor. This happens just when both shares have
the same sign and add up to more than 2^64 - |z| in magnitude, so that each of them is within |z| of +-2^63. A party notes where
its own share is that close, and the auditor intersects the notes.

A value out of range. A comparison of few bits is wrong for values beyond them. Both parties note their shares of what they
compare, and the auditor adds them.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

VALUE_BITS = 57  # exact for |z| < 2^57; a share is that close to +-2^63 once in 64 times


@dataclass
class Notes:
    """What one party notes during one inference.

    near: (image, truncation, element, sign) of the shares that may wrap. values: by site its shares of what is compared.
    """

    truncations: int = 0
    near: list[np.ndarray] = field(default_factory=list)
    values: dict[str, Tensor] = field(default_factory=dict)

    def truncated(self, share: Tensor, image: Tensor | None = None) -> None:
        """Looks at a share that is about to be truncated. image: of each element, where the share is not (B, ...)."""
        flat = share.flatten()
        near = torch.nonzero((flat + 2**VALUE_BITS < flat) | (flat - 2**VALUE_BITS > flat)).flatten()  # these overflow
        images = near // (share.numel() // len(share)) if image is None else image[near]
        self.near.append(torch.stack([images, torch.full_like(near, self.truncations), near, flat[near].sign()], 1).numpy())
        self.truncations += 1

    def compared(self, site: str, values: Tensor) -> None:
        """Takes down the party's shares (N,) of what a site compares in one round trip."""
        self.values[site] = values.clone()

    def to_json(self) -> dict[str, Any]:
        near = np.concatenate(self.near) if self.near else np.empty((0, 4), np.int64)
        values = {site: base64.b64encode(words.numpy().tobytes()).decode() for site, words in self.values.items()}
        return {"near": near.tolist(), "values": values}


def out_of_range(server: Mapping[str, str], client: Mapping[str, str], limits: Mapping[str, int], share: float = 1.0) -> int:
    """How many values of an inference were too large for their comparison, from what both parties noted.

    limits: by site, the magnitude from which on a value is too large. share: how much of the batch counts, first images.
    """
    found = 0
    for site, limit in limits.items():
        values = _magnitude(server[site], client[site])
        found += int((values[: round(share * len(values))] >= limit).sum())
    return found


def _magnitude(server: str, client: str) -> np.ndarray:
    """|value| as uint64, of the sum of two shares."""
    shares = [np.frombuffer(base64.b64decode(encoded), np.int64) for encoded in (server, client)]
    return np.abs(shares[0] + shares[1]).view(np.uint64)


def wraps(server: Sequence[Sequence[int]], client: Sequence[Sequence[int]]) -> list[int]:
    """The image of each truncation that wrapped: of notes of the same element with the same sign at both parties."""
    return [image for image, *_ in set(map(tuple, server)) & set(map(tuple, client))]
