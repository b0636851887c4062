"""Mixtures of widths: what they are at low temperatures, and Gumbel's distribution itself."""

import math

import pytest
import torch

from rlnet.models.building import build_specification
from rlnet.models.elastic import copy_part
from rlnet.nas.gumbel import Gate, gated, gumbel_noise, gumbel_softmax, temperature
from rlnet.nas.rnas_cl import InvertedResidualSpace

SPACES = {
    "s": InvertedResidualSpace((2, 2), ((4, 3), (8, 6, 5)), stem=4),
    "imagenet": InvertedResidualSpace((1, 2, 1), ((4, 3), (6, 5), (8, 7, 6)), for_imagenet=True, stem=4),
    "hswish": InvertedResidualSpace((2,), ((4, 2),), "hswish", stem=4),
}


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("training", [False, True])
def test_at_a_low_temperature_it_is_the_static_network(name: str, training: bool, generator: torch.Generator) -> None:
    """With the same weights, at the largest, the smallest and some other widths; batch statistics are the same, too."""
    space, x = SPACES[name], torch.rand(4, 3, 16, 16, generator=generator)
    network = gated(build_specification(space.largest, 5, (0.5,) * 3, (0.5,) * 3, "dual").train(training), space)
    mixed = tuple(i % n for i, n in enumerate(space.choices))
    for genes in (space.genes(space.largest), space.genes(space.smallest), mixed):
        static = build_specification(space.specification(genes), 5, (0.5,) * 3, (0.5,) * 3, "dual").train(training)
        copy_part(network.network, static)
        logits = [torch.eye(n)[gene] for n, gene in zip(space.choices, genes, strict=True)]
        network.take([gumbel_softmax(values, 0.01, None) for values in logits])
        with torch.no_grad():
            torch.testing.assert_close(network.network(x), static(x), atol=1e-6 if not training else 1e-5, rtol=0)
    network.take([torch.softmax(torch.ones(n), 0) for n in space.choices])
    with torch.no_grad():
        blended = network.network(x)
        network.open()
        assert not torch.allclose(blended, network.network(x), atol=1e-4)


def test_a_gate_by_hand() -> None:
    gate = Gate((3, 1))
    x = torch.ones(1, 3, 1, 2)
    assert torch.equal(gate(x), x)
    mixture = torch.tensor([0.25, 0.75], requires_grad=True)
    gate.take(mixture)
    assert gate(x)[0, :, 0, 0].tolist() == [1, 0.25, 0.25]
    gate(x).sum().backward()
    assert mixture.grad.tolist() == [6, 2]  # the elements that each choice keeps
    assert not gate.state_dict()


def test_the_temperature_is_the_papers() -> None:
    assert temperature(0) == 5 and temperature(1) == pytest.approx(0.0555, abs=5e-5)
    for epoch in (1, 50, 99):
        assert temperature(epoch / 100) == pytest.approx(5 * math.exp(-0.045 * epoch))


def test_the_noise_is_gumbels() -> None:
    """The argmax of logits and noise is drawn from the softmax of the logits; the same numbers draw the same noise."""
    logits = torch.tensor([0.0, 1.0, -1.0])
    (noise,) = gumbel_noise([torch.Size((20_000, 3))], 1, 2, 3)
    chosen = gumbel_softmax(logits, 0.05, noise).argmax(dim=1).bincount(minlength=3) / 20_000
    torch.testing.assert_close(chosen, logits.softmax(0), atol=0.015, rtol=0)
    assert noise.isfinite().all() and noise.mean() == pytest.approx(0.5772, abs=0.02)
    assert torch.equal(noise, gumbel_noise([noise.shape], 1, 2, 3)[0])
    assert not torch.equal(noise, gumbel_noise([noise.shape], 1, 2, 4)[0])


def test_softmax_at_both_ends() -> None:
    logits = torch.tensor([[0.3, 0.1, 0.2]])
    assert gumbel_softmax(logits, 1e-4, None).tolist() == [[1, 0, 0]]
    torch.testing.assert_close(gumbel_softmax(logits, 1e6, None), torch.full((1, 3), 1 / 3))
