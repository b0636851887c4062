"""Candidates drawn at random, and which of them are worth training: limits, and RobNet's filters (Guo et al. 2020, App. F)."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from rlnet.models.specifications.specification import Specification
from rlnet.nas.limits import Limits
from rlnet.nas.robnet import RobNetSpace, density, direct_share, has_budget
from rlnet.nas.sample_config import FSP_KEPT, SampleConfig
from rlnet.nas.search import repaired
from rlnet.nas.space import Genes, Space
from rlnet.progress import Bar

Filters = dict[str, Callable[[Specification], bool]]
"""By name, what a network must be."""


@dataclass(frozen=True)
class Drawn:
    """genes: of the candidates, as they were drawn. counts: how many networks were drawn, how many of them were new, and how
    many were left after each filter and after the limits, in order."""

    genes: tuple[Genes, ...]
    counts: dict[str, int]


def filters_of(space: Space, config: SampleConfig) -> Filters:
    """The filters that a configuration asks for. Raises ValueError for one that the space has not."""
    if not isinstance(space, RobNetSpace):
        if config.filters == "on" or config.budget != "any" or config.fsp_kept is not None:
            raise ValueError("sample.filters, sample.budget and sample.fsp_kept are of the family robnet")
        return {}
    filters: Filters = {}
    if config.filters == "on" or (config.filters == "auto" and not space.free):
        filters["density"] = lambda spec: density(spec) >= config.min_density
        filters["direct"] = lambda spec: direct_share(spec) > config.min_direct
    if config.budget != "any":
        filters["budget"] = has_budget(config.budget)
    return filters


def fsp_share(space: Space, config: SampleConfig) -> float:
    """The share of the candidates that the FSP distance leaves; 1 is all, and no distance is measured."""
    if config.fsp_kept is not None:
        return config.fsp_kept
    return FSP_KEPT if isinstance(space, RobNetSpace) and space.free else 1.0


def draw_candidates(space: Space, limits: Limits, filters: Filters, config: SampleConfig, seed: int, progress: Bar) -> Drawn:
    """Networks drawn evenly among those that pass the filters and keep the limits; of each, one.

    1. Genes are drawn evenly. 2. The filters are asked. 3. What breaks a limit is drawn again; where there are no filters, it
    is repaired, because then few limits are such that an even draw keeps them. Raises ValueError where nothing is left.
    """
    rng, seen, found = Random(f"{seed} sample"), set(), {}
    counts = dict.fromkeys(("drawn", "new", *filters, "limits"), 0)
    while counts["drawn"] < config.draws and len(found) < config.candidates:
        genes = space.sample(rng)  # 1
        counts["drawn"] += 1
        if genes in seen:
            continue
        seen.add(genes)
        counts["new"] += 1
        if not _passes(space.specification(genes), filters, counts):  # 2
            continue
        if not filters:
            genes = repaired(space, limits, genes, rng)
        spec = space.specification(genes)
        if genes not in found and limits.allow(spec) and limits.cost(spec).relus > 0:  # 3
            counts["limits"] += 1
            found[genes] = None
            progress.advance()
    if not found:
        left = ", ".join(f"{n} {name}" for name, n in counts.items())
        raise ValueError(
            f"no network passes the filters and keeps the limits ({left}); raise the limits, make the space smaller "
            "(--space.width, --space.cells), give more --sample.draws, or leave filters out (--sample.filters off)"
        )
    return Drawn(tuple(found), counts)


def _passes(spec: Specification, filters: Filters, counts: dict[str, int]) -> bool:
    """Asks the filters in order, and counts a network for each that it passes."""
    for name, is_met in filters.items():
        if not is_met(spec):
            return False
        counts[name] += 1
    return True
