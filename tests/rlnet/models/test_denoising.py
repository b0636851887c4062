"""Denoising blocks: filters by their definitions, what they cost, where they stand, and files for secure protocols."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from masks import find_sites
from pi_bench.model import graph
from rlnet.models.denoising import FILTERS, DenoisingBlock
from rlnet.models.elastic import ELASTIC, STATIC, activate, copy_part
from rlnet.models.onnx_file import export
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import EDGES
from rlnet.models.specifications.robnet import LARGE, repeated
from rlnet.models.specifications.zoo import ZOO
from rlnet.nas.cost import cost

from .cells import COPIES, SHAPE, TINY, made


@pytest.fixture
def x(generator: torch.Generator) -> Tensor:
    return torch.rand(2, 4, 3, 5, generator=generator)


def test_a_mean_by_hand(x: Tensor) -> None:
    found = FILTERS["mean"](4)(x)
    torch.testing.assert_close(found[:, :, 1, 1], x[:, :, :3, :3].mean(dim=(2, 3)))
    torch.testing.assert_close(found[:, :, 0, 0], x[:, :, :2, :2].sum(dim=(2, 3)) / 9)


@pytest.mark.parametrize("name", ["dot-product", "gaussian"])
def test_non_local_means_are_sums_over_places(name: str, x: Tensor) -> None:
    """Place by place, as the paper writes them."""
    module = FILTERS[name](4)
    with torch.no_grad():
        found = module(x).flatten(2)
        flat = x.flatten(2)
        theta, phi = (flat, flat) if name == "dot-product" else (module.theta(x).flatten(2), module.phi(x).flatten(2))
        for b in range(2):
            for i in range(15):
                f = torch.stack([theta[b, :, i] @ phi[b, :, j] for j in range(15)])
                weights = f / 15 if name == "dot-product" else (f / 2**0.5).exp() / (f / 2**0.5).exp().sum()
                expected = sum(weights[j] * flat[b, :, j] for j in range(15))
                torch.testing.assert_close(found[b, :, i], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FILTERS)
def test_a_new_block_is_the_identity(name: str, x: Tensor) -> None:
    block = DenoisingBlock(name, 4, "dual", STATIC)
    assert torch.equal(block(x), x)
    nn.init.ones_(block.conv.bn.paths["clean"].weight)
    assert not torch.equal(block(x), x)


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("mean", 0, lambda c, n: 9 * c * n),
        ("dot-product", 0, lambda c, n: 2 * c * c * n),
        ("gaussian", 2, lambda c, n: 2 * c * (c // 2) * n + (c // 2 + c) * n * n),
    ],
)
def test_costs(name: str, parameters: int, macs: object) -> None:
    """A block of C channels after each of 3 stages of N places: C^2 + 2 C parameters, C^2 N multiplications, no ReLU."""
    plain, found = (cost(replace(TINY, denoise=kind), SHAPE, 5) for kind in ("none", name))
    widths = {16: 64, 32: 16, 64: 4}
    assert found.parameters - plain.parameters == sum(c * c + 2 * c + parameters * c * (c // 2) for c in widths)
    assert found.macs - plain.macs == sum(c * c * n + macs(c, n) for c, n in widths.items())
    assert found.relus == plain.relus == found.comparisons


def test_places_of_the_blocks() -> None:
    """After the last cell of each stage; none after one that no path leads through."""
    assert list(made(replace(TINY, denoise="mean")).denoise.active) == ["0", "1", "3"]
    assert list(made(repeated(LARGE, 2, 1)).denoise.active) == []
    gap = CellSpec((LARGE, ("00",) * EDGES, LARGE, LARGE), 2, denoise="mean")
    assert list(made(gap).denoise.active) == ["0", "3"]
    assert ZOO["robnet-large-denoise"]().denoise == "gaussian"


@pytest.mark.parametrize("name", FILTERS)
def test_sub_networks_of_a_supernet(name: str, generator: torch.Generator) -> None:
    full = CellSpec((("11",) * EDGES,) * 4, 4, denoise=name)
    supernet, static = made(full, layers=ELASTIC), made(replace(TINY, denoise=name), seed=1)
    activate(supernet, static)
    copy_part(supernet, static)
    images = torch.rand(2, *SHAPE, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(supernet(images, "adversarial"), static(images, "adversarial"), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FILTERS)
def test_files_for_secure_protocols(name: str, tmp_path: Path) -> None:
    """The mean is a convolution to them; what multiplies secrets is refused by name."""
    network, path = made(replace(repeated(COPIES, 2, 2), denoise=name)), tmp_path / "student.onnx"
    assert len(network.denoise.active) == 2
    export(network, SHAPE, path, "normal")
    model = graph.load(path)
    if name == "mean":
        graph.refuse_unknown(model)
        assert len(find_sites(network, torch.zeros(1, *SHAPE))) > 0
    else:
        with pytest.raises(ValueError, match=r"MatMul|Softmax"):
            graph.refuse_unknown(model)
