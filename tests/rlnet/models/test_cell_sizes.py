"""RobNets: the published sizes, and some by hand."""

from dataclasses import replace

import pytest

from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import DIRECT, WIRES
from rlnet.models.specifications.robnet import MEDIUM_LIKE, SMALL_LIKE
from rlnet.models.specifications.zoo import ZOO
from rlnet.nas.cost import cost

from .cells import SHAPE, cell


@pytest.mark.parametrize(
    ("name", "parameters", "macs", "shared", "published"),
    [
        ("robnet-large", 6_842_710, 1_030_336_128, 9_363_456, 15_648_768),
        ("robnet-large-v2", 33_326_666, 5_094_615_040, 28_180_480, 45_645_824),
        ("robnet-free", 5_439_790, 780_177_024, 7_243_776, 11_796_480),
        ("robnet-large-c16l8", 617_722, 94_431_744, 1_638_400, 3_055_616),
        ("robnet-large-c8l8", 174_146, 28_013_824, 819_200, 1_527_808),
        ("robnet-large-c8l5", 115_282, 17_908_992, 503_808, 1_040_384),
    ],
)
def test_published_sizes(name: str, parameters: int, macs: int, shared: int, published: int) -> None:
    """As the authors' code has them at 32x32 with 10 classes; their paper's parameters are those with 100."""
    spec = ZOO[name]()
    for form, relus in ((spec, shared), (replace(spec, shared=False), published)):
        found = cost(form, (3, 32, 32), 10)
        assert (found.parameters, found.macs, found.relus, found.comparisons) == (parameters, macs, relus, relus)


@pytest.mark.parametrize(
    ("name", "codes", "parameters"), [("small", SMALL_LIKE, 4_411_504), ("medium", MEDIUM_LIKE, 5_666_032)]
)
def test_look_alikes_have_the_published_parameters(name: str, codes: tuple[str, ...], parameters: int) -> None:
    """4.41M and 5.66M (Guo et al. 2020, Table 1); MACs and ReLUs by the closed forms for 20 cells of 36 channels."""
    spec = replace(ZOO[f"robnet-{name}-like"](), shared=False)
    found = cost(spec, (3, 32, 32), 100)
    convs = sum(code[1] == "1" for code in codes)
    from_inputs = [code for code, (source, _) in zip(codes, WIRES, strict=True) if source < 2]
    convs_in, skips_in = (sum(code[bit] == "1" for code in from_inputs) for bit in (1, 0))
    assert all(codes[edge][1] == "1" for edge in DIRECT)
    assert found.parameters == parameters == 1_415_152 + 409_536 * convs + 25_920 * skips_in
    assert found.relus == 3_538_944 + 829_440 * convs + 82_944 * convs_in + 110_592 * skips_in
    assert found.macs / 1e6 == pytest.approx(227.27 + 60.55 * convs + 2.654 * skips_in, rel=1e-4)


def test_a_small_network_by_hand() -> None:
    """One cell, which reduces: stem 6 channels on 8x8; nodes 4 channels on 4x4, the first of a convolution from s1."""
    found = cost(CellSpec((cell(e1="01"),), channels=2), SHAPE, 5)
    separable = 2 * (4 * 9 + 4 * 4)
    assert found.parameters == 6 * 9 + 2 * 6 + 6 * 4 + separable + 16 * 5 + 5
    assert found.macs == 6 * 9 * 64 + 6 * 4 * 64 + separable * 16 + 16 * 5
    assert dict(found.sites) == {
        "relus.stem": (6, 8, 8),
        "cells.0.relus.s1": (4, 8, 8),
        "cells.0.edges.1.conv.relu": (4, 4, 4),
    }


def test_published_cells_use_all_their_edges() -> None:
    assert all(ZOO[name]().live == ZOO[name]().cells for name in ZOO if name.startswith("robnet"))
    assert DIRECT == (1, 4, 8, 13)


def test_a_stem_of_stride_2_has_a_quarter_of_the_relus() -> None:
    spec = ZOO["robnet-large-c8l5"]()
    assert 4 * cost(replace(spec, stem_stride=2), (3, 32, 32), 10).relus == cost(spec, (3, 32, 32), 10).relus


@pytest.mark.parametrize(("shared", "relus"), [(True, 9_934_848), (False, 16_313_472)])
def test_the_published_imagenet_network(shared: bool, relus: int) -> None:
    """12.76M parameters (Guo et al. 2020, Table 6), with 1000 classes."""
    found = cost(replace(ZOO["robnet-large-imagenet"](), shared=shared), (3, 224, 224), 1000)
    assert (found.parameters, found.relus) == (12_756_448, relus)


def test_an_imagenet_stem_by_hand() -> None:
    """On 32x32: 2 channels at 16x16, 4 at 8x8 and at 4x4; a cell of 8 channels at 2x2, of a convolution from s0."""
    found = cost(CellSpec((cell(e0="01"),), channels=4, stem="imagenet"), (1, 32, 32), 5)
    stem, separable = [2 * 9, 4 * 2 * 9, 4 * 4 * 9], 2 * (8 * 9 + 8 * 8)
    assert found.parameters == sum(stem) + 2 * (2 + 4 + 4) + 4 * 8 + separable + 32 * 5 + 5
    assert found.macs == 18 * 256 + 72 * 64 + 144 * 16 + 4 * 8 * 16 + separable * 4 + 160
    assert dict(found.sites) == {
        "lead.relu": (2, 16, 16),
        "relus.stem": (4, 8, 8),
        "cells.0.relus.s0": (8, 4, 4),
        "cells.0.edges.0.conv.relu": (8, 2, 2),
    }
