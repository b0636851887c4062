"""RobNets: the two forms' values beside a plain restatement, and networks of which parts do not matter."""

from dataclasses import replace
from itertools import count

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masks import find_sites
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.robnet import FREE, LARGE, MEDIUM_LIKE, SMALL_LIKE, repeated
from rlnet.nas.cost import cost_of

from .cells import CELLS, EMPTY, GAPS, SHAPE, TINY, cell, made, random_spec


def restated(spec: CellSpec, weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network in the published form, in one function: every operation rectifies, x[1:, 1:] is cut, zeros are zeros."""

    def norm(x: Tensor, name: str) -> Tensor:
        at = f"{name}.bn.paths.shared."
        mean, var = weights[at + "running_mean"], weights[at + "running_var"]
        return F.batch_norm(x, mean, var, weights.get(at + "weight"), weights.get(at + "bias"))

    def pointwise(x: Tensor, name: str) -> Tensor:
        return norm(F.conv2d(x, weights[f"{name}.weight"]), name)

    def reduce(x: Tensor, name: str) -> Tensor:
        x = x.relu()
        return torch.cat([pointwise(x[..., i::2, i::2], f"{name}.{half}") for i, half in enumerate(("even", "odd"))], dim=1)

    def separable(x: Tensor, name: str, stride: int) -> Tensor:
        for i in (1, 2):
            x = F.conv2d(x.relu(), weights[f"{name}.depthwise{i}.weight"], None, stride, 1, groups=x.shape[1])
            x, stride = pointwise(x, f"{name}.pointwise{i}"), 1
        return x

    x = norm(F.conv2d((x - 0.4) / 0.3, weights["conv1.weight"], padding=1), "conv1")
    s0 = s1 = x
    c, n, reduced = spec.channels, len(spec.cells), False
    for k, codes in enumerate(spec.cells):
        reduces, at = k in (n // 3, 2 * n // 3), f"cells.{k}"
        c = 2 * c if reduces else c
        states = [reduce(s0, f"{at}.inputs.s0") if reduced else pointwise(s0.relu(), f"{at}.inputs.s0.conv")]
        states.append(pointwise(s1.relu(), f"{at}.inputs.s1.conv"))
        edge = count()
        for _ in range(4):
            node = torch.zeros(1)
            for j, state in enumerate(list(states)):
                e, stride = next(edge), 2 if reduces and j < 2 else 1
                if codes[e][1] == "1":
                    node = node + separable(state, f"{at}.edges.{e}.conv", stride)
                if codes[e][0] == "1":
                    node = node + (reduce(state, f"{at}.edges.{e}.skip") if stride == 2 else state)
            states.append(node)
        s0, s1, reduced = s1, torch.cat(states[2:], dim=1), reduces
    return F.linear(s1.mean(dim=(2, 3)), weights["fc.weight"], weights["fc.bias"])


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("cells", [(LARGE,) * 4, FREE[:7], (SMALL_LIKE, MEDIUM_LIKE, LARGE)], ids=["large", "free", "mixed"])
def test_values_are_those_of_the_published_form(
    cells: tuple[tuple[str, ...], ...], affine: bool, generator: torch.Generator
) -> None:
    spec = CellSpec(cells, channels=3, affine=affine)
    assert spec.live == spec.cells
    network = made(spec, "single")
    images = torch.rand(2, *SHAPE, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(network(images), restated(spec, network.state_dict(), images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "spec",
    [
        TINY,
        replace(TINY, stem="imagenet"),
        replace(TINY, denoise="dot-product"),
        *(random_spec(seed, density=0.7) for seed in range(6)),
    ],
)
def test_sharing_changes_no_value(spec: CellSpec, training: bool, generator: torch.Generator) -> None:
    """Bit by bit, forward; gradients to rounding, since they are summed in another order."""
    shared, published = made(spec).train(training), made(replace(spec, shared=False), seed=1).train(training)
    published.load_state_dict(shared.state_dict())
    images, logits = torch.rand(3, 1, 16, 16, generator=generator), []
    for network in (shared, published):
        logits.append(network(images, mode="adversarial"))
        logits[-1].square().sum().backward()
    assert torch.equal(*logits)
    for (name, one), other in zip(shared.named_parameters(), published.parameters(), strict=True):
        if one.grad is not None or other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4 * float(one.grad.abs().max() + 1), msg=name)
    assert cost_of(shared, (1, 16, 16)).relus <= cost_of(published, (1, 16, 16)).relus
    assert torch.equal(*(next(iter(network.conv1.bn.paths.adversarial.buffers())) for network in (shared, published)))


@pytest.mark.parametrize("codes", CELLS.values(), ids=CELLS)
def test_each_tensor_is_rectified_once(codes: tuple[str, ...], generator: torch.Generator) -> None:
    """No two ReLUs have one input, and what they make is used: it changes the logits."""
    network = made(repeated(codes, channels=3, cells=4))
    seen: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
            module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
            module.register_forward_hook(lambda _module, _inputs, output: output.retain_grad() or outputs.append(output))
    outputs: list[Tensor] = []
    network(torch.rand(2, *SHAPE, generator=generator)).sum().backward()
    assert len({id(x) for x in seen}) == len(seen) > 0
    assert all(output.grad is not None for output in outputs)
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if ".adversarial." not in name)
    assert len(outputs) == sum(isinstance(module, nn.ReLU) for module in network.modules())


def test_zero_nodes_are_zeros_of_their_shape(generator: torch.Generator) -> None:
    """Without what cannot be reached from the image or from the logits, values are the same."""
    spec = CellSpec((LARGE, GAPS, EMPTY, cell(e0="01", e1="11", e8="11")), channels=2)
    assert spec.live == (LARGE, cell(e1="01", e11="11"), EMPTY, cell(e0="01"))
    network = made(spec)
    outputs: dict[str, Tensor] = {}
    for k in network.cells.active:
        network.cells[k].register_forward_hook(lambda _module, _inputs, output, k=k: outputs.update({k: output}))
    logits = network(torch.rand(2, *SHAPE, generator=generator))
    assert list(outputs) == ["0", "1", "3"]
    assert [tuple(output.shape) for output in outputs.values()] == [(2, 8, 8, 8), (2, 16, 4, 4), (2, 32, 2, 2)]
    assert logits.shape == (2, 5)
    lives = [[bool(node.any()) for node in output.chunk(4, dim=1)] for output in outputs.values()]
    assert lives == [[True] * 4, [True, False, False, True], [True, False, False, False]]


@pytest.mark.parametrize("shared", [True, False])
def test_a_network_that_does_not_see_the_image(shared: bool, generator: torch.Generator) -> None:
    for cells in ((EMPTY,), (LARGE, LARGE, EMPTY), (EMPTY, EMPTY, LARGE)):
        network = made(CellSpec(cells, channels=2, shared=shared))
        logits = network(torch.rand(3, *SHAPE, generator=generator))
        assert logits.shape == (3, 5) and torch.equal(logits, network.fc.bias.expand(3, 5))
        assert find_sites(network, torch.zeros(1, *SHAPE)) == {}
