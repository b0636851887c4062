"""Class-wise subsets: how many images of each class, and which."""

import numpy as np
import torch
from torch import Tensor


def proportional_quota(counts: np.ndarray, total: int) -> np.ndarray:
    """Images per class (K,), summing to total, in proportion to counts (K,): largest remainder, ties to the first."""
    share = counts * total / counts.sum()
    quota = np.floor(share).astype(np.int64)
    largest_remainder = np.argsort(quota - share, kind="stable")
    quota[largest_remainder[: total - quota.sum()]] += 1
    return quota


def balanced_quota(counts: np.ndarray, total: int) -> np.ndarray:
    """Images per class (K,), summing to total <= sum(counts), as equal as counts (K,) allow, ties to the first."""
    assert total <= counts.sum()
    quota = np.zeros_like(counts)
    while (left := total - quota.sum()) > 0:
        open_classes = np.flatnonzero(quota < counts)
        share, extra = divmod(left, len(open_classes))
        if share == 0:
            quota[open_classes[:extra]] += 1
        else:
            quota[open_classes] = np.minimum(quota[open_classes] + share, counts[open_classes])
    return quota


def draw(labels: Tensor, quota: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Sorted indices (drawn, rest) into labels (N,): quota[k] random images of class k, and all others."""
    classes = labels.numpy()
    drawn = np.zeros(len(classes), dtype=bool)
    for k, count in enumerate(quota):
        members = np.flatnonzero(classes == k)
        drawn[rng.permutation(members)[:count]] = True
    return torch.from_numpy(np.flatnonzero(drawn)), torch.from_numpy(np.flatnonzero(~drawn))


def hold_out(labels: Tensor, classes: tuple[str, ...], fraction: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Stratified split into sorted indices (kept, held out); the held-out part is round(fraction * N) images.

    Raises ValueError where either part would miss a class.
    """
    counts = np.bincount(labels.numpy(), minlength=len(classes))
    quota = proportional_quota(counts, round(fraction * len(labels)))
    for name, count, held in zip(classes, counts, quota, strict=True):
        if not 0 < held < count:
            raise ValueError(
                f"holding out {fraction:.3g} of the images takes {held} of the {count} of class {name!r}:"
                " both parts need at least one; use more images or another fraction"
            )
    held_out, kept = draw(labels, quota, rng)
    return kept, held_out


def limit(labels: Tensor, classes: tuple[str, ...], count: int, field: str, rng: np.random.Generator) -> Tensor:
    """Sorted indices of a class-balanced subset of count images; field names the setting in errors (ValueError)."""
    if not len(classes) <= count <= len(labels):
        raise ValueError(
            f"{field} is {count}: use {len(classes)} (one image a class) to {len(labels)} (all there are), or None"
        )
    counts = np.bincount(labels.numpy(), minlength=len(classes))
    return draw(labels, balanced_quota(counts, count), rng)[0]
