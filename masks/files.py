"""The mask file: which ReLUs a network keeps, as one JSON document that any tool can write and nothing can execute.

    {"format": "relu-masks", "version": 1, "network": "resnet18", "input": [3, 32, 32], "replaced_by": "identity",
     "budget": 50000, "sites": [{"name": "layer1.0.relu1", "shape": [64, 32, 32], "kept": 1234, "bits": "..."}, ...],
     "sha256": "..."}

sites: in forward order; name: module path; shape: [C, H, W]; kept: how many bits are 1; budget: the sum of kept. bits:
the mask flattened in C, H, W order, 1 where the ReLU is kept, eight to a byte, the first in the highest bit, the last
byte filled up with 0, in standard base64. sha256: in hexadecimal, of all sites' packed bytes, one site after the other.
input: the (C, H, W) of one image. Where the ReLU is not kept there is the identity, the one `replaced_by` of version 1.
"""

import base64
import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from masks.atomic_file import write_json
from masks.sites import Masks, Shape

FORMAT, VERSION, REPLACED_BY = "relu-masks", 1, "identity"
MAX_FILE_BYTES = 64 * 2**20  # 400 million ReLUs; WRN-22-8 needs 240 kB
_PLACES = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8)


def pack_bits(mask: Tensor) -> bytes:
    """A mask, bool of any shape, flattened to bytes: first element in the highest bit, zeros at the end."""
    bits = mask.flatten().cpu().to(torch.uint8)
    bits = torch.cat([bits, bits.new_zeros(-len(bits) % 8)])
    return bytes((bits.view(-1, 8) * _PLACES).sum(dim=1, dtype=torch.uint8).tolist())


def unpack_bits(packed: bytes, shape: Shape) -> Tensor:
    """The mask, bool (C, H, W), of `pack_bits`. Raises ValueError for another length or a 1 past the end."""
    entries = math.prod(shape)
    if len(packed) != -(-entries // 8):
        raise ValueError(f"its bits are {len(packed)} bytes, its shape needs {-(-entries // 8)}")
    bits = (torch.frombuffer(bytearray(packed), dtype=torch.uint8)[:, None] & _PLACES).flatten().bool()
    if bits[entries:].any():
        raise ValueError("its last byte is not filled with zeros")
    return bits[:entries].view(shape).clone()


def masks_digest(masks: Mapping[str, Tensor]) -> str:
    """The `sha256` of a mask file of these masks: equal for two networks that keep the same ReLUs at all sites, in order."""
    return hashlib.sha256(b"".join(map(pack_bits, masks.values()))).hexdigest()


def save_masks(path: str | Path, masks: Mapping[str, Tensor], *, network: str, input_shape: Shape) -> None:
    """Writes the masks, bool (C, H, W) by site in forward order, as a mask file: the whole file, or none.

    network: a name for the reader; input_shape: (C, H, W) of one image. Raises ValueError for what is no mask.
    """
    for name, mask in masks.items():
        if mask.dtype != torch.bool or mask.ndim != 3 or mask.numel() == 0:
            raise ValueError(f"site {name!r}: a mask is a bool tensor (C, H, W), not {mask.dtype} {tuple(mask.shape)}")
    packed = {name: pack_bits(mask) for name, mask in masks.items()}
    sites = [
        {
            "name": name,
            "shape": list(mask.shape),
            "kept": int(mask.sum()),
            "bits": base64.b64encode(packed[name]).decode(),
        }
        for name, mask in masks.items()
    ]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "network": network,
        "input": list(input_shape),
        "replaced_by": REPLACED_BY,
        "budget": sum(site["kept"] for site in sites),
        "sites": sites,
        "sha256": hashlib.sha256(b"".join(packed.values())).hexdigest(),
    }
    write_json(Path(path), document, indent=1)


def load_masks(path: str | Path, sites: Mapping[str, Shape] | None = None) -> Masks:
    """The masks of a mask file, bool (C, H, W) by site on the CPU, in the file's order.

    sites: what `find_sites` says of the network they are for; then its sites and shapes must be the file's, and its
    order counts. Raises ValueError, naming the file, for any damage and for masks of another network.
    """
    try:
        if (size := os.path.getsize(path)) > MAX_FILE_BYTES:
            raise ValueError(f"{size} bytes are more than any mask file has ({MAX_FILE_BYTES})")
        masks = _read_document(_parse_json(Path(path).read_bytes()))
    except ValueError as error:
        raise ValueError(
            f"{path} is no intact mask file: {error}. Write it again with masks.save_masks, or copy it again"
        ) from error
    return masks if sites is None else match_sites(masks, sites, str(path))


def match_sites(masks: Mapping[str, Tensor], sites: Mapping[str, Shape], source: str) -> Masks:
    """The masks in the order of `sites`. Raises ValueError, naming `source`, unless sites and shapes are the same."""
    problems = [f"{name} is missing" for name in sites if name not in masks]
    problems += [f"{name} is not in the network" for name in masks if name not in sites]
    problems += [
        f"{name} has shape {tuple(mask.shape)}, in the network {tuple(sites[name])}"
        for name, mask in masks.items()
        if name in sites and tuple(mask.shape) != tuple(sites[name])
    ]
    if problems:
        raise ValueError(f"{source} holds masks of another network: {'; '.join(problems)}. Search masks for this one")
    return {name: masks[name] for name in sites}


def _parse_json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested deeper than any mask file") from error


def _read_document(document: Any) -> Masks:
    """Every invariant of the format, in the order of the docstring above; ValueError says which one does not hold."""
    head = {"format": FORMAT, "version": VERSION, "replaced_by": REPLACED_BY}
    for key, expected in head.items():
        if (found := _field(document, key, type(expected))) != expected:
            raise ValueError(f"its {key} is {found!r}, this code reads {expected!r}")
    _field(document, "network", str)
    _shape(document, "input")
    masks: Masks = {}
    digest = hashlib.sha256()
    for site in _field(document, "sites", list):
        name = _field(site, "name", str)
        if name in masks:
            raise ValueError(f"site {name!r} is there twice")
        try:
            masks[name], packed = _read_site(site)
        except ValueError as error:
            raise ValueError(f"site {name!r}: {error}") from error
        digest.update(packed)
    kept = sum(int(mask.sum()) for mask in masks.values())
    if (budget := _field(document, "budget", int)) != kept:
        raise ValueError(f"its budget is {budget}, its sites keep {kept}")
    if _field(document, "sha256", str) != digest.hexdigest():
        raise ValueError("its bits do not have its sha256")
    return masks


def _read_site(site: dict[str, Any]) -> tuple[Tensor, bytes]:
    shape, text = _shape(site, "shape"), _field(site, "bits", str)
    # Checked on the text, before anything is as large as the file says.
    if len(text) != 4 * -(-math.prod(shape) // 24):
        raise ValueError(f"its bits are {len(text)} characters, its shape needs {4 * -(-math.prod(shape) // 24)}")
    packed = base64.b64decode(text, validate=True)
    mask = unpack_bits(packed, shape)
    if (kept := _field(site, "kept", int)) != int(mask.sum()):
        raise ValueError(f"it says that {kept} are kept, its bits keep {int(mask.sum())}")
    return mask, packed


def _field(container: Any, key: str, kind: type) -> Any:
    if not isinstance(container, dict) or type(container.get(key)) is not kind:  # `is`: True is an int, too
        raise ValueError(f"it has no {key} of type {kind.__name__}")
    return container[key]


def _shape(container: Any, key: str) -> Shape:
    shape = _field(container, key, list)
    if len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape):
        raise ValueError(f"its {key} is not three positive whole numbers")
    return tuple(shape)
