"""RobNets' specifications: texts and back, and what is none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlnet.models import NetworkConfig, build
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.reading import parse, read
from rlnet.models.specifications.robnet import FREE, LARGE

from .cells import SHAPE, TINY, random_spec


def test_specifications_are_texts(tmp_path: Path) -> None:
    others = [replace(TINY, stem="imagenet"), replace(TINY, denoise="mean"), random_spec(5)]
    for spec in (TINY, CellSpec(FREE, 8, 2, shared=False, affine=True), *others):
        spec.save(tmp_path / "spec.json")
        again = read(tmp_path / "spec.json")
        assert again == spec == parse(spec.plain()) and hash(again) == hash(spec) and again.plain() == spec.plain()
    network = build(NetworkConfig(str(tmp_path / "spec.json")), 5, (0.4,), (0.3,))
    assert network(torch.zeros(2, *SHAPE)).shape == (2, 5)


def test_older_texts(tmp_path: Path) -> None:
    """What was added later is not in the text of a network without it, so that older files and runs are the same."""
    assert TINY.plain().keys() == {"version", "family", "cells", "channels", "stem_stride", "shared", "affine"}
    assert replace(TINY, stem="imagenet").plain()["stem"] == "imagenet"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cells": ()}, "one cell or more"),
        ({"cells": [LARGE]}, "one cell or more"),
        ({"cells": (LARGE, LARGE[:-1])}, "cell 1 is a tuple of 14 codes"),
        ({"cells": (LARGE[:-1] + ("12",),)}, "cell 0 is a tuple of 14 codes, each of 00, 01, 10, 11"),
        ({"cells": (LARGE[:-1] + (11,),)}, "cell 0 is a tuple"),
        ({"cells": ("11" * 7,)}, "cell 0 is a tuple"),
        ({"channels": 0}, "channels are 1 or more"),
        ({"channels": 4.0}, "channels are 1 or more"),
        ({"stem_stride": 3}, "stem_stride is 1 or 2"),
        ({"stem_stride": True}, "stem_stride is 1 or 2"),
        ({"shared": 1}, "shared and affine are true or false"),
        ({"affine": "no"}, "shared and affine are true or false"),
        ({"stem": "svhn"}, "stem is cifar or imagenet"),
        ({"stem": "imagenet", "stem_stride": 2}, "stem_stride is of the stem cifar"),
        ({"denoise": "median"}, "denoise one of none, mean, dot-product, gaussian"),
    ],
)
def test_impossible_specifications(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(TINY, **change)


@pytest.mark.parametrize(
    "spoil",
    [lambda plain: plain | {"width": 3}, lambda plain: plain | {"cells": [["11"]]}, lambda plain: plain | {"cells": None}],
)
def test_files_of_no_specification(spoil: Callable[[dict], dict]) -> None:
    with pytest.raises(ValueError, match="the specification cannot be built"):
        parse(spoil(TINY.plain()))
