"""Progressive shrinking: which sub-networks may be drawn when (Once-for-All, Cai et al. 2020, Sec. 3.3; ProARD).

Every phase may draw what those before it may, and smaller ones; the last one, which is the longest, may draw all. Of its passes
over the training images a phase has as many as in ProARD's code. A training of few epochs leaves the short phases out.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby

from rlnet.nas.space import Genes


@dataclass(frozen=True)
class Phase:
    """depths, expansions: which may be drawn, numbered from the least. passes: over the training images, in ProARD's code."""

    depths: Genes
    expansions: Genes
    passes: int


PHASES: dict[str, Phase] = {
    "largest-depth": Phase((2,), (2,), 125),
    "depth-1": Phase((1, 2), (2,), 50),
    "depth-2": Phase((0, 1, 2), (2,), 250),
    "expansion-1": Phase((0, 1, 2), (1, 2), 100),
    "expansion-2": Phase((0, 1, 2), (0, 1, 2), 500),
}


@lru_cache
def spans(epochs: int) -> tuple[tuple[str, range], ...]:
    """The phases of a training of so many epochs, in order, and the epochs of each: an epoch has the phase of its end."""
    ends = list(accumulate(phase.passes for phase in PHASES.values()))

    def phase(epoch: int) -> str:
        return next(name for name, end in zip(PHASES, ends, strict=True) if (epoch + 1) * ends[-1] <= end * epochs)

    grouped = [(name, list(group)) for name, group in groupby(range(epochs), phase)]
    return tuple((name, range(group[0], group[-1] + 1)) for name, group in grouped)


def span_of(epoch: int, epochs: int) -> tuple[str, range]:
    """The phase of an epoch, and all its epochs."""
    return next(span for span in spans(epochs) if epoch in span[1])
