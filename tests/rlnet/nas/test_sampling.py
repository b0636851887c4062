"""Candidates: drawn under limits, by filters that count what they leave."""

import dataclasses

import pytest

from rlnet.nas.limits import Limits
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.robnet import RobNetSpace, convolutions, density, direct_share
from rlnet.nas.sample_config import SampleConfig
from rlnet.nas.sampling import draw_candidates, filters_of, fsp_share
from rlnet.nas.space import Space
from rlnet.progress import bar

BASED, FREE = (RobNetSpace(cells=1, channels=2, free=free) for free in (False, True))
SHAPE = (1, 8, 8)


def drawn(space: Space, config: SampleConfig, limits: Limits | None = None, seed: int = 0):
    with bar("draw", config.candidates) as progress:
        limits = Limits(SHAPE, 5) if limits is None else limits
        return draw_candidates(space, limits, filters_of(space, config), config, seed, progress)


def test_filters_by_default() -> None:
    """The paper's: dense and direct cell-based networks, any cell-free ones, of which FSP distances keep 68 of 300."""
    config = SampleConfig()
    assert list(filters_of(BASED, config)) == ["density", "direct"] and filters_of(FREE, config) == {}
    assert (fsp_share(BASED, config), fsp_share(FREE, config)) == (1, 68 / 300)
    other = SampleConfig(filters="on", budget="medium", fsp_kept=0.5)
    assert list(filters_of(FREE, other)) == ["density", "direct", "budget"] and fsp_share(BASED, other) == 0.5
    assert filters_of(BASED, SampleConfig(filters="off")) == {}


def test_filters_are_of_robnet() -> None:
    space = InvertedResidualSpace((1,), ((8, 4),))
    assert filters_of(space, SampleConfig()) == {} and fsp_share(space, SampleConfig()) == 1
    for fields in ({"filters": "on"}, {"budget": "small"}, {"fsp_kept": 0.5}):
        with pytest.raises(ValueError, match="are of the family robnet"):
            filters_of(space, SampleConfig(**fields))


def test_candidates_pass_all_filters() -> None:
    config = SampleConfig(candidates=6, draws=400, budget="medium", min_density=0.55)
    found = drawn(BASED, config)
    specs = [BASED.specification(genes) for genes in found.genes]
    assert len(set(specs)) == 6 and drawn(BASED, config) == found != drawn(BASED, config, seed=1)
    for spec in specs:
        assert density(spec) >= 0.55 and direct_share(spec) > 0.5 and 8 <= convolutions(spec) <= 10
    counts = list(found.counts.values())
    assert list(found.counts) == ["drawn", "new", "density", "direct", "budget", "limits"]
    assert counts == sorted(counts, reverse=True) and counts[-1] == 6 < counts[0] <= 400


@pytest.mark.parametrize("filters", ["on", "off"])
def test_limits_are_kept(filters: str) -> None:
    """Drawn again, or repaired."""
    free = drawn(BASED, SampleConfig(candidates=8, draws=200, filters=filters))
    relus = sorted(Limits(SHAPE, 5).cost(BASED.specification(genes)).relus for genes in free.genes)
    limits = Limits(SHAPE, 5, relus=relus[3])
    found = drawn(BASED, SampleConfig(candidates=4, draws=200, filters=filters), limits)
    assert found.counts["limits"] == len(found.genes) == 4
    assert all(limits.allow(BASED.specification(genes)) for genes in found.genes)


def test_nothing_to_find() -> None:
    least = Limits(SHAPE, 5).cost(BASED.smallest).relus
    with pytest.raises(ValueError, match=r"20 drawn, 20 new, \d+ density, \d+ direct, 0 limits\); raise the limits"):
        drawn(BASED, SampleConfig(draws=20), Limits(SHAPE, 5, relus=least))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"candidates": 0}, "sample.candidates is 0"),
        ({"draws": 0}, "sample.draws is 0"),
        ({"min_density": 1.5}, "sample.min_density is 1.5; it is a share"),
        ({"min_direct": -0.1}, "sample.min_direct is -0.1"),
        ({"fsp_kept": 0.0}, "sample.fsp_kept is 0.0"),
    ],
)
def test_impossible_settings(fields: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SampleConfig(), **fields)
