"""RobNet's search spaces: genes and specifications are one, unused genes do not count; what the filters let through."""

from dataclasses import replace
from random import Random

import pytest

from rlnet.models.specifications.cell_wiring import EDGES, Codes
from rlnet.models.specifications.robnet import FREE, LARGE, MEDIUM_LIKE, SMALL_LIKE, repeated
from rlnet.models.specifications.zoo import ZOO
from rlnet.nas.cost import cost
from rlnet.nas.robnet import BUDGETS, RobNetSpace, convolutions, density, direct_share, has_budget, is_promising

SMALL = RobNetSpace(cells=5, channels=3, free=True)
CIFAR = (3, 32, 32)


def test_sizes() -> None:
    assert RobNetSpace().size == 2**28 and RobNetSpace().choices == (4,) * 14
    assert RobNetSpace(free=True).size == 2**560
    assert len(RobNetSpace().encode(RobNetSpace().sample(Random(0)))) == 56


def test_unused_genes_make_no_difference() -> None:
    """To what is live, and so to the network; each is 0 in the canonical row, where it may as well be another number."""
    rng, thinned = Random(1), 0
    for _ in range(200):
        row = tuple(rng.choice((0, 0, 0, 1, 2, 3)) for _ in SMALL.choices)
        canonical = SMALL.canonical(row)
        assert SMALL.specification(row).live == SMALL.specification(canonical).cells
        used = SMALL.is_used(canonical)
        assert sum(SMALL.encode(canonical)) == sum(used)
        for place in rng.sample([i for i, u in enumerate(used) if not u], k=min(3, used.count(False))):
            other = (*canonical[:place], rng.randrange(4), *canonical[place + 1 :])
            assert SMALL.canonical(other) == canonical
            thinned += other != canonical
    assert thinned > 100


def test_what_a_space_contains() -> None:
    published = RobNetSpace()
    for name in ("robnet-large", "robnet-small-like", "robnet-medium-like"):
        assert published.specification(published.genes(ZOO[name]())) == ZOO[name]()
    free = ZOO["robnet-free"]()
    assert RobNetSpace(free=True).contains(free) and RobNetSpace(free=True).contains(ZOO["robnet-large"]())
    for other in (free, ZOO["robnet-large-v2"](), ZOO["rnas-cl-s3"](), replace(ZOO["robnet-large"](), shared=False)):
        assert not published.contains(other)
    with pytest.raises(ValueError, match="the specification is not of one cell"):
        published.genes(free)
    with pytest.raises(ValueError, match="the specification is none of RobNetSpace"):
        published.genes(SMALL.largest)


@pytest.mark.parametrize("free", [False, True])
def test_the_ends_of_a_space(free: bool) -> None:
    """The smallest network sees the image, and is cheaper than what is drawn."""
    space, rng = RobNetSpace(cells=3, channels=3, free=free), Random(2)
    costs = [cost(space.specification(space.sample(rng)), CIFAR, 10) for _ in range(5)]
    least, most = cost(space.smallest, CIFAR, 10), cost(space.largest, CIFAR, 10)
    assert 0 < least.relus < min(found.relus for found in costs) and least.macs < min(found.macs for found in costs)
    assert most.relus > max(found.relus for found in costs) and most.parameters > max(found.parameters for found in costs)
    assert space.contains(space.smallest) and space.contains(space.largest)


@pytest.mark.parametrize(
    ("cell", "dense", "direct", "convs", "budget"),
    [
        (LARGE, 22 / 28, 3 / 4, 13, "large"),
        (MEDIUM_LIKE, 16 / 28, 1.0, 10, "medium"),
        (SMALL_LIKE, 12 / 28, 1.0, 7, "small"),
        (("11",) * EDGES, 1.0, 1.0, 14, "large"),
        (("10",) * EDGES, 0.5, 0.0, 0, "small"),
    ],
)
def test_what_filters_see(cell: Codes, dense: float, direct: float, convs: int, budget: str) -> None:
    spec = repeated(cell, channels=2, cells=3)
    assert (density(spec), direct_share(spec), convolutions(spec)) == pytest.approx((dense, direct, convs))
    assert is_promising(spec) == (dense >= 0.5 and direct > 0.5)
    assert [name for name in BUDGETS if has_budget(name)(spec)] == [budget]


def test_filters_of_a_cell_free_network() -> None:
    """Means over its cells; every cell has one budget or another."""
    spec = ZOO["robnet-free"]()
    bits = "".join("".join(cell) for cell in FREE)
    assert density(spec) == bits.count("1") / len(bits)
    assert convolutions(spec) == bits[1::2].count("1") / 20
    assert is_promising(spec)
    ranges = [range(least, most + 1) for least, most in BUDGETS.values()]
    assert sorted(n for numbers in ranges for n in numbers) == list(range(EDGES + 1))
    with pytest.raises(ValueError, match="no budget 'tiny'; use one of small, medium, large"):
        has_budget("tiny")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cells": 0}, "1 cell or more"),
        ({"channels": 0}, "channels are 1 or more"),
        ({"stem_stride": 3}, "stem_stride is 1 or 2"),
    ],
)
def test_impossible_spaces(fields: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RobNetSpace(**fields)
