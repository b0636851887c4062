"""Expected costs against `cost` of every network of small spaces."""

from itertools import product
from math import prod

import pytest
import torch

from rlnet.nas.cost import cost, costs_of_parts
from rlnet.nas.expected_cost import CostFactor, expected_costs
from rlnet.nas.latency import LatencyModel
from rlnet.nas.limits import Limits
from rlnet.nas.rnas_cl import InvertedResidualSpace

SPACES = {
    "s": InvertedResidualSpace((2, 1), ((4, 3), (8, 6, 5)), stem=4),
    "imagenet": InvertedResidualSpace((1, 2), ((4, 3), (6, 5)), for_imagenet=True, stem=4),
}
LIMITS = Limits((3, 32, 32), 10)


def mixtures(space: InvertedResidualSpace, generator: torch.Generator) -> list[torch.Tensor]:
    return [torch.rand(n, generator=generator, dtype=torch.float64).softmax(0).requires_grad_() for n in space.choices]


@pytest.mark.parametrize("name", SPACES)
def test_it_is_the_cost_where_one_choice_is_sure_and_else_its_expectation(name: str, generator: torch.Generator) -> None:
    space = SPACES[name]
    g, networks = mixtures(space, generator), list(product(*map(range, space.choices)))
    for quantity, expected in expected_costs(space, LIMITS).items():
        costs = {genes: getattr(LIMITS.cost(space.specification(genes)), quantity) for genes in networks}
        assert {genes: expected.of_genes(genes) for genes in networks} == costs
        mean = sum(count * prod(row[gene].item() for row, gene in zip(g, genes, strict=True)) for genes, count in costs.items())
        assert expected(g).item() == pytest.approx(mean, rel=1e-9)
        slopes = torch.autograd.grad(expected(g), g)
        wider_costs_more = [bool(slope[0] > slope[-1]) for slope in slopes]
        without = quantity == "relus" and not space.for_imagenet  # no ReLU follows the last block
        assert wider_costs_more == [True] * (len(g) - without) + [False] * without


def test_parts_add_up() -> None:
    spec = SPACES["s"].largest
    parts = costs_of_parts(spec, (3, 32, 32), 10, ("stages.0.0", "stages.0.1"))
    whole = cost(spec, (3, 32, 32), 10)
    for quantity in ("relus", "macs", "parameters"):
        assert sum(part[quantity] for part in parts.values()) == getattr(whole, quantity)
    assert parts["stages.0.1"]["relus"] == 2 * 24 * 16 * 16  # of 4 channels, 6 times as wide inside, twice


def test_the_cost_factor_by_hand(generator: torch.Generator) -> None:
    """Within the limits it is 1 and pushes nothing; above it is how far above; without limits, the share of MACs."""
    space = SPACES["s"]
    largest = [torch.eye(n, dtype=torch.float64)[0].requires_grad_() for n in space.choices]
    most = LIMITS.cost(space.largest)
    within = CostFactor(space, Limits((3, 32, 32), 10, relus=most.relus, macs=most.macs))
    assert within(largest).item() == 1
    above = CostFactor(space, Limits((3, 32, 32), 10, relus=most.relus // 2, macs=2 * most.macs))
    assert above(largest).item() == pytest.approx(most.relus / (most.relus // 2))
    unlimited = CostFactor(space, LIMITS)
    assert unlimited(largest).item() == 1 and unlimited(mixtures(space, generator)) < 1
    assert above.fractions(largest)["macs"].item() == pytest.approx(0.5)


def test_a_predicted_latency_is_that_of_the_model_at_sure_choices() -> None:
    space = SPACES["s"]
    model = LatencyModel("crypten", "lan", (5.0, 1e-3, 1e-6, 0.5), 0.1)
    limits = Limits((3, 32, 32), 10, latency_ms=1000.0, latency_model=model)
    for genes in ((0,) * 3, tuple(n - 1 for n in space.choices)):
        sure = [torch.eye(n)[gene] for n, gene in zip(space.choices, genes, strict=True)]
        fractions = CostFactor(space, limits).fractions(sure)
        predicted_ms = model.predicted_ms(limits.cost(space.specification(genes)))
        assert fractions["latency_ms"].item() == pytest.approx(predicted_ms / 1000, rel=1e-6)
