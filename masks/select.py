"""Which ReLUs of a site are kept, exactly as many as asked for, and how much a selection changed."""

from collections.abc import Mapping

import torch
from torch import Tensor


def _check_count(count: int, total: int) -> None:
    if not 0 <= count <= total:
        raise ValueError(f"a site of {total} ReLUs cannot keep {count}; give 0 ... {total}")


def exact_topk(scores: Tensor, count: int) -> Tensor:
    """The mask that keeps the `count` highest scores, the lowest flat index first among equal ones.

    scores: float (C, H, W), larger is more worth keeping. Returns bool (C, H, W) with exactly `count` True, the same on
    every device. Raises ValueError for a NaN score or a count outside [0, C H W].
    """
    _check_count(count, scores.numel())
    if scores.isnan().any():
        raise ValueError(f"{int(scores.isnan().sum())} of the {scores.numel()} scores are NaN; they have no order")
    flat = scores.flatten() + 0.0  # -0.0 becomes 0.0: equal in a radix sort, too
    kept = torch.zeros(flat.numel(), dtype=torch.bool, device=scores.device)
    kept[torch.sort(flat, descending=True, stable=True).indices[:count]] = True
    return kept.view(scores.shape)


def random_mask(shape: tuple[int, int, int], count: int, generator: torch.Generator) -> Tensor:
    """A mask, bool (C, H, W) of this shape, that keeps exactly `count` ReLUs, every such mask equally likely.

    It lies on the generator's device. Raises ValueError for a count outside [0, C H W].
    """
    kept = torch.zeros(shape, dtype=torch.bool, device=generator.device).flatten()
    _check_count(count, kept.numel())
    kept[torch.randperm(kept.numel(), generator=generator, device=generator.device)[:count]] = True
    return kept.view(shape)


def mask_change(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> float:
    """The part of the kept ReLUs that were not kept before, in [0, 1].

        sum |new and not old| / sum |new|,   0 where nothing is kept

    old, new: masks, bool (C, H, W) by site. Raises ValueError for masks of different sites or shapes.
    """
    _check_same_sites(old, new)
    kept = sum(int(mask.sum()) for mask in new.values())
    return sum(int((mask & ~old[name]).sum()) for name, mask in new.items()) / max(kept, 1)


def normalised_hamming(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> float:
    """SENet's normalised Hamming distance (NHD): the part of all entries that differ, in [0, 1].

        sum |old xor new| / sum_l C_l H_l W_l

    old, new: masks, bool (C, H, W) by site. Raises ValueError for masks of different sites or shapes.
    """
    _check_same_sites(old, new)
    entries = sum(mask.numel() for mask in new.values())
    return sum(int((mask ^ old[name]).sum()) for name, mask in new.items()) / max(entries, 1)


def _check_same_sites(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> None:
    if odd := sorted(old.keys() ^ new.keys()):
        raise ValueError(f"the masks are of different sites; only one of them has {', '.join(odd)}")
    for name, mask in new.items():
        if mask.shape != old[name].shape:
            raise ValueError(f"the masks of site {name!r} differ in shape: {tuple(old[name].shape)}, {tuple(mask.shape)}")
