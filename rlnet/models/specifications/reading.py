"""Specifications from files and from plain values: which classes there are, and what is wrong with what is none."""

import json
from pathlib import Path
from textwrap import shorten
from typing import Any

from rlnet.models.specifications.bottleneck import BottleneckSpec
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.inverted_residual import InvertedResidualSpec
from rlnet.models.specifications.specification import VERSION, Specification

FAMILIES: dict[str, type[Specification]] = {kind.family: kind for kind in (InvertedResidualSpec, BottleneckSpec, CellSpec)}


def parse(content: Any, origin: str = "the specification") -> Specification:
    """The specification of what `Specification.plain` returned. Raises ValueError, which names `origin`."""
    if not isinstance(content, dict) or not {"version", "family"} <= content.keys():
        raise ValueError(f"{origin} is no architecture; one is made by python -m rlnet.nas")
    fields = dict(content)
    version, family = fields.pop("version"), fields.pop("family")
    if version != VERSION:
        raise ValueError(f"{origin} is of version {version!r}, this program reads version {VERSION}; search it again")
    if family not in FAMILIES:
        raise ValueError(f"{origin} is of the family {family!r}; known: {', '.join(FAMILIES)}")
    try:
        return FAMILIES[family].from_plain(fields)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{origin} cannot be built ({shorten(str(error), 300)})") from error


def read(path: Path) -> Specification:
    """The specification in a spec.json. Raises OSError and ValueError."""
    try:
        content = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged; name another file, or search again with python -m rlnet.nas") from error
    return parse(content, str(path))
