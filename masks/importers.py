"""Masks that other codes found, by the form of their released checkpoints.

    RLNet, SENet   {"mask_epoch": [0/1 (C, H, W), ...]}, one per ReLU in forward order
    SNL            state_dict with "...layer1.0.alpha1.alphas", real (1, C, H, W); kept where above a threshold
    AutoReP        state_dict with "...alpha_mask_<site>_<set>", 0/1 (C, H, W), repeated under every module path

SNL and AutoReP have no ReLU at the stem (nor, in a WRN, at the end); our sites there keep none, which is the identity.
AutoReP puts a polynomial where a ReLU goes, here it is the identity: its masks come over, its networks do not.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from masks.files import load_masks, match_sites
from masks.sites import Masks, Shape

# layer1.0.relu1 here, module.layer1.0.alpha1.alphas and block1.layer.0.alpha1.alphas in SNL: stage 1, block 0, ReLU 1.
_PLACE = re.compile(r"(?:^|\.)[a-z]+(\d+)\.(?:layer\.)?(\d+)\.(?:relu|alpha)_?(\d+)(?:\.alphas)?$")
_AUTOREP = re.compile(r"(?:^|\.)alpha_mask_(\d+)_(\d+)$")
_REMEDY = "load it yourself where you trust it and write a mask file with masks.save_masks"


def import_masks(path: str | Path, sites: Mapping[str, Shape], *, threshold: float = 0.01) -> Masks:
    """The masks of a mask file or of a checkpoint of RLNet, SNL or AutoReP, bool (C, H, W) by site, in forward order.

    sites: what `find_sites` says of the network they are for. threshold: an SNL alpha above it keeps its ReLU (0.01 in
    its code). Nothing in a checkpoint is executed. Raises ValueError for one that asks for that, for an unknown form,
    and for masks that do not fit the sites.
    """
    with Path(path).open("rb") as file:
        if file.read(64).lstrip().startswith(b"{"):
            return load_masks(path, sites)
    loaded = _load_tensors(path)
    checkpoint = loaded if isinstance(loaded, dict) else {}
    if "mask_epoch" in checkpoint:
        return _positional(checkpoint["mask_epoch"], list(sites), sites, str(path))
    state = checkpoint.get("state_dict", checkpoint)
    names = [name for name in state if isinstance(name, str)] if isinstance(state, dict) else []
    if alphas := {name: state[name] for name in names if name.endswith(".alphas")}:
        return _snl(alphas, sites, threshold, str(path))
    if masks := {name: state[name] for name in names if _AUTOREP.search(name)}:
        return _autorep(masks, sites, str(path))
    raise ValueError(
        f"{path} has neither mask_epoch (RLNet) nor a state_dict with .alphas (SNL) or alpha_mask_ (AutoReP); {_REMEDY}"
    )


def _load_tensors(path: str | Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise nearly anything, in words that are for those who wrote the program
        what = "is empty" if Path(path).stat().st_size == 0 else "is damaged, or holds more than tensors and plain values"
        raise ValueError(f"{path} {what}; copy it again, or {_REMEDY}") from error


def _positional(entries: Any, names: list[str], sites: Mapping[str, Shape], source: str) -> Masks:
    """Masks in forward order for the sites `names`; the other sites keep none."""
    if not isinstance(entries, list) or not all(isinstance(entry, Tensor) for entry in entries):
        raise ValueError(f"the masks in {source} are not a list of tensors; {_REMEDY}")
    if len(entries) != len(names):
        raise ValueError(f"{source} has {len(entries)} masks, the network has {len(names)} sites for them: {', '.join(names)}")
    for name, entry in zip(names, entries, strict=True):
        if not ((entry == 0) | (entry == 1)).all():
            raise ValueError(f"the mask for site {name!r} in {source} has other values than 0 and 1; {_REMEDY}")
    return _complete({name: entry == 1 for name, entry in zip(names, entries, strict=True)}, sites, source)


def _snl(alphas: Mapping[str, Tensor], sites: Mapping[str, Shape], threshold: float, source: str) -> Masks:
    """Cho et al., ICML 2022: the place in the network, not the name, says which alpha belongs to which site."""
    by_place = _by_place(sites)
    masks: Masks = {}
    for key, alpha in alphas.items():
        place = _PLACE.search(key)
        name = by_place.get(place.groups()) if place else None
        if name is None or name in masks:
            raise ValueError(f"{key} in {source} has no site of its own in the network: {', '.join(sites)}")
        if not isinstance(alpha, Tensor) or alpha.ndim != 4 or len(alpha) != 1 or alpha.isnan().any():
            raise ValueError(f"{key} in {source} is not a tensor (1, C, H, W) of numbers; {_REMEDY}")
        masks[name] = alpha[0] > threshold
    if missing := [name for name in by_place.values() if name not in masks]:
        raise ValueError(f"{source} has no alphas for {', '.join(missing)}; is it of another network?")
    return _complete(masks, sites, source)


def _autorep(state: Mapping[str, Tensor], sites: Mapping[str, Shape], source: str) -> Masks:
    """Peng et al., ICCV 2023: one module stands for all ReLUs, so the masks are numbered in the order of the calls."""
    entries: dict[int, tuple[str, Tensor]] = {}
    for key, mask in state.items():
        site, variant = (int(number) for number in _AUTOREP.search(key).groups())
        if variant != 0:
            raise ValueError(f"{source} has several sets of masks ({key}) and does not say which is in use; {_REMEDY}")
        if not isinstance(mask, Tensor):
            raise ValueError(f"{key} in {source} is a {type(mask).__name__}, not a tensor; {_REMEDY}")
        first, known = entries.setdefault(site, (key, mask))
        if not torch.equal(known, mask):
            raise ValueError(f"{source} has two masks for call {site}, {first} and {key}, which differ; {_REMEDY}")
    if sorted(entries) != list(range(len(entries))):
        raise ValueError(f"{source} has masks for the calls {sorted(entries)}; some in between are missing")
    ordered = [entries[site][1] for site in range(len(entries))]
    within_blocks = set(_by_place(sites).values())
    names = [name for name in sites if len(ordered) == len(sites) or name in within_blocks]
    return _positional(ordered, names, sites, source)


def _by_place(sites: Mapping[str, Shape]) -> dict[tuple[str, ...], str]:
    """The sites that lie in a block, by (stage, block, number in the block)."""
    places = {name: place.groups() for name in sites if (place := _PLACE.search(name))}
    by_place = {place: name for name, place in places.items()}
    if len(by_place) != len(places):
        raise ValueError(f"the network's sites cannot be told apart by stage, block and number: {', '.join(places)}")
    return by_place


def _complete(masks: Masks, sites: Mapping[str, Shape], source: str) -> Masks:
    none = {name: torch.zeros(shape, dtype=torch.bool) for name, shape in sites.items() if name not in masks}
    return match_sites(masks | none, sites, source)
