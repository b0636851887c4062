"""RobNet's search: networks drawn at random, the promising ones fine-tuned, the best one found (Guo et al. 2020, App. F).

1. Candidates are drawn that pass the filters and keep the limits. 2. They are judged as the supernet has them; in a cell-free
space their FSP distances are measured, and those of great distance rejected. 3. The others are fine-tuned and judged again.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from rlnet.evaluation.journal import Journal
from rlnet.models.specifications.specification import Specification
from rlnet.nas.analysis import rank_correlation
from rlnet.nas.finetuning import finetuned
from rlnet.nas.fsp import deep_distance, fsp_of
from rlnet.nas.judge import Judge
from rlnet.nas.sampling import draw_candidates, fsp_share
from rlnet.nas.search import Judged
from rlnet.nas.space import Genes
from rlnet.progress import bar

Accuracies = dict[str, float]


@dataclass(frozen=True)
class Candidate:
    """before, after: validation accuracies without and with fine-tuning, by name. distances: the FSP distance of each live
    cell; None where none was asked for. distance: their mean over the deep cells."""

    genes: Genes
    spec: Specification
    before: Accuracies
    distances: dict[int, float] | None = None
    distance: float | None = None
    after: Accuracies | None = None

    @property
    def gap(self) -> float:
        """Clean minus adversarial accuracy, without fine-tuning."""
        return self.before["clean_accuracy"] - self.before["adversarial_accuracy"]


@dataclass(frozen=True)
class Sample:
    """judged: the fine-tuned networks, the found one first. candidates: all, in the order in which they were drawn. counts:
    how many networks each filter left. threshold: the greatest FSP distance that was not rejected; None without one."""

    judged: list[Judged]
    candidates: list[Candidate]
    counts: dict[str, int]
    threshold: float | None

    def plain(self) -> dict[str, Any]:
        """As a card has it. fsp_gap: the rank correlation of FSP distance and the gap of the accuracies, not fine-tuned."""
        found = {"counts": self.counts, "fsp_threshold": self.threshold, "candidates": list(map(_plain, self.candidates))}
        return (
            found if self.threshold is None else found | {"fsp_gap": dict(zip(("rho", "p"), self.gap_correlation, strict=True))}
        )

    @property
    def gap_correlation(self) -> tuple[float, float]:
        """Spearman's rank correlation of FSP distance and clean minus adversarial accuracy before fine-tuning, and its p-value:
        by the paper, positive (Fig. 7)."""
        distances = np.array([one.distance for one in self.candidates])
        return rank_correlation(distances, np.array([one.gap for one in self.candidates]))


def search(judge: Judge) -> Sample:
    """Draws, rejects, fine-tunes and ranks the sub-networks of a trained supernet; what was found before is not done again."""
    experiment, config = judge.experiment, judge.experiment.config.sample
    with bar("draw", config.candidates) as progress:
        args = (experiment.space, experiment.limits, experiment.filters, config, experiment.config.seed)
        drawn = draw_candidates(*args, progress)  # 1
    share = fsp_share(experiment.space, config)
    with judge.journal() as journal:
        with bar("candidates", len(drawn.genes)) as progress:  # 2
            candidates = []
            for genes in drawn.genes:
                candidates.append(_measured(judge, genes, journal, with_distance=share < 1))
                progress.advance()
        kept, threshold = below_threshold(candidates, share)
        done = []
        for i, one in enumerate(kept):  # 3
            after = finetuned(judge, one.spec, journal, f"candidate {i + 1}/{len(kept)}")
            done.append(Candidate(one.genes, one.spec, one.before, one.distances, one.distance, after))
    by_genes = {one.genes: one for one in done}
    judged = [_judged(one, experiment.limits.cost(one.spec)) for one in done]
    judged.sort(
        key=lambda one: (-(one.adversarial if config.select == "adversarial" else one.score), one.cost.relus, one.genes)
    )
    counts = drawn.counts | ({"fsp": len(kept)} if share < 1 else {}) | {"fine-tuned": len(done)}
    return Sample(judged, [by_genes.get(one.genes, one) for one in candidates], counts, threshold)


def below_threshold(candidates: list[Candidate], share: float) -> tuple[list[Candidate], float | None]:
    """The share of the candidates that has the least FSP distance, at least one, in their order; and the greatest distance
    among them. The paper's threshold of 0.006 is of its networks; its quantile is of any."""
    if share == 1:
        return candidates, None
    least = sorted(candidates, key=lambda one: one.distance)[: max(1, ceil(share * len(candidates) - 1e-9))]
    return [one for one in candidates if one in least], least[-1].distance


def _measured(judge: Judge, genes: Genes, journal: Journal, with_distance: bool) -> Candidate:
    spec = judge.experiment.space.specification(genes)
    before = judge.remembered(spec, journal)
    if not with_distance:
        return Candidate(genes, spec, before)
    key, experiment = judge.key(spec, measure="fsp"), judge.experiment
    if key not in journal.found:
        attack, seed = experiment.config.attack, experiment.config.seed
        found = fsp_of(judge.extract(spec), judge.batches, attack, experiment.compute, seed)
        journal.add(key, {"cells": list(found), "distances": list(found.values())})
    distances = dict(zip(journal.found[key]["cells"], journal.found[key]["distances"], strict=True))
    return Candidate(genes, spec, before, distances, deep_distance(distances, len(spec.cells)))


def _judged(one: Candidate, cost: Any) -> Judged:
    return Judged(one.genes, one.spec, cost, one.after["clean_accuracy"], one.after["adversarial_accuracy"], generation=0)


def _plain(one: Candidate) -> dict[str, Any]:
    found: dict[str, Any] = {"genes": list(one.genes), "before": one.before, "after": one.after}
    if one.distances is not None:
        found |= {"fsp_distance": one.distance, "fsp_by_cell": {str(k): d for k, d in one.distances.items()}}
    return found
