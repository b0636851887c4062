"""Outputs of which no accuracy can be told are errors: what is no tensor of logits, and what is not finite.

Without a word, the largest of NaNs is the first one, so that a network of NaNs is right about every image of class 0.
"""

from typing import Any

import torch
from torch import Tensor


class NotLogitsError(ValueError):
    """A network returns no tensor."""


def logits_of(output: Any) -> Tensor:
    """A network's output, if it is a tensor. Raises NotLogitsError for a tuple, a dict and the like, naming what is in it."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple | list):
        inside = ", ".join(_described(value) for value in output)
        what = f"a {type(output).__name__} of {inside}"
    else:
        what = f"a {type(output).__name__}"
    raise NotLogitsError(
        f"the network returns {what}; logits (B, K) are needed, so wrap it in a module that returns them alone"
    )


def finite(logits: Tensor, where: str) -> Tensor:
    """The logits (B, K), if all are finite. Raises FloatingPointError otherwise. where: which network, mode and attack."""
    if logits.isfinite().all():
        return logits
    is_bad = ~logits.isfinite().flatten(1).all(dim=1)
    first = int(is_bad.nonzero()[0])
    value = logits[first][~logits[first].isfinite()][0].item()
    raise FloatingPointError(
        f"{where}: the network's outputs are not finite for {int(is_bad.sum())} of {len(logits)} images ({value} for number "
        f"{first}), so there is no accuracy to tell; look for such values among its weights, or use --precision fp32"
    )


def _described(value: Any) -> str:
    return f"a tensor {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
