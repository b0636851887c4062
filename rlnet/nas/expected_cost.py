"""What a mixture of widths costs, as a function that gradients pass (RNAS-CL Eq. 3), without a second count of operations.

A block costs what its own width and that of the block before say. The tables of what each block costs are read off networks
that `rlnet.nas.cost` counts, and thereby say what is really computed. (Eq. 3 lets a block cost what its own width says;
RNAS-CL's code counts depthwise convolutions as dense ones.)
"""

from dataclasses import dataclass
from itertools import pairwise, product

import torch
from torch import Tensor

from rlnet.models.building import build_specification
from rlnet.models.inverted_residual import InvertedResidual
from rlnet.nas.cost import costs_of_parts
from rlnet.nas.limits import Limits
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.space import Genes
from rlnet.progress import bar


@dataclass(frozen=True)
class ExpectedCost:
    r"""n(G) = sum_l g_{l-1}^T B_l g_l: the expected cost of genes that are drawn independently from the mixtures G.

    tables: B_l (n_{l-1}, n_l), l = 0..L, what block l costs; before the first gene and after the last there is one choice. The
    last table is of all that is no searched block. At one-hot mixtures it is the cost.
    """

    tables: tuple[Tensor, ...]

    def __call__(self, mixtures: list[Tensor]) -> Tensor:
        """mixtures: g_l (n_l,) of each gene. Returns a float64 scalar on their device."""
        one = torch.ones(1, dtype=torch.float64, device=mixtures[0].device)
        g = [one, *(mixture.double() for mixture in mixtures), one]
        terms = [a @ table.to(one.device) @ b for a, b, table in zip(g, g[1:], self.tables, strict=False)]
        return torch.stack(terms).sum()

    def of_genes(self, genes: Genes) -> int:
        """The cost at one-hot mixtures."""
        one_hot = [torch.eye(table.shape[1])[gene] for gene, table in zip(genes, self.tables, strict=False)]
        return int(self(one_hot))


def expected_costs(space: InvertedResidualSpace, limits: Limits) -> dict[str, ExpectedCost]:
    """The expected relus, macs and parameters. Every pair of widths of neighbours occurs in one of few networks: those in which
    all blocks at even places have one choice, and all at odd places one."""
    n = (1, *space.choices, 1)
    names = _searched_blocks(space, limits)
    tables = {
        quantity: [torch.zeros(before, own, dtype=torch.float64) for before, own in pairwise(n)]
        for quantity in ("relus", "macs", "parameters")
    }
    patterns = list(product(range(max(n)), repeat=2))
    with bar("costs", len(patterns)) as progress:
        for even, odd in patterns:
            genes = tuple(min(odd if i % 2 else even, count - 1) for i, count in enumerate(space.choices))
            costs = costs_of_parts(space.specification(genes), limits.image_shape, limits.num_classes, names)
            padded = (0, *genes, 0)
            for place, name in enumerate([*names, ""]):
                for quantity, rows in tables.items():
                    rows[place][padded[place], padded[place + 1]] = costs[name][quantity]
            progress.advance()
    return {quantity: ExpectedCost(tuple(rows)) for quantity, rows in tables.items()}


def _searched_blocks(space: InvertedResidualSpace, limits: Limits) -> list[str]:
    """The names of the blocks that have a gene."""
    channels = (0.5,) * limits.image_shape[0]
    with torch.device("meta"):
        network = build_specification(space.largest, limits.num_classes, channels, channels, "single")
    blocks = [name for name, module in network.named_modules() if isinstance(module, InvertedResidual)]
    return blocks[-len(space.choices) :]


class CostFactor:
    r"""n_f(G), the factor of RNAS-CL's search loss (Eq. 2 and 3), for networks that must keep limits.

        n_f = prod_q max(1, n_q(G) / limit_q)

    q: what is limited. Within the limits it is 1: nothing pushes a network to be smaller than it may be. Without any limit it
    is the paper's, the expected multiply-accumulates, as a fraction of the largest network's.
    """

    def __init__(self, space: InvertedResidualSpace, limits: Limits):
        self.expected = expected_costs(space, limits)
        self._latency_model, self._largest = limits.latency_model, limits.cost(space.largest)
        self.limits = limits.given or {"macs": self._largest.macs}
        self.is_limited = bool(limits.given)

    def quantities(self, mixtures: list[Tensor]) -> dict[str, Tensor]:
        """n_q(G) by q: relus, macs, parameters, and latency_ms where a model predicts it.

        A predicted latency is linear in ReLUs and multiply-accumulates, and widths leave the number of layers alone.
        """
        found = {name: expected(mixtures) for name, expected in self.expected.items()}
        if self._latency_model is not None:
            changes = {name: found[name] - getattr(self._largest, name) for name in ("relus", "macs")}
            ms_per = self._latency_model.plain()["ms_per"]
            found["latency_ms"] = self._latency_model.predicted_ms(self._largest) + sum(
                ms_per[name] * change for name, change in changes.items()
            )
        return found

    def fractions(self, mixtures: list[Tensor]) -> dict[str, Tensor]:
        """n_q(G) / limit_q by q."""
        found = self.quantities(mixtures)
        return {name: (found[name] / limit).float() for name, limit in self.limits.items()}

    def __call__(self, mixtures: list[Tensor]) -> Tensor:
        """n_f of mixtures g_l (n_l,) of all genes: a scalar above 0."""
        factors = torch.stack(list(self.fractions(mixtures).values()))
        return (factors.clamp(min=1) if self.is_limited else factors).prod()
