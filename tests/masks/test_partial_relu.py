"""The partial ReLU: ReLU where the mask keeps, identity elsewhere, in values, gradients, number formats and layouts."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from masks import PartialReLU

SHAPE = (3, 4, 5)
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]


@pytest.fixture
def x(generator: torch.Generator) -> Tensor:
    """(B, C, H, W), with zeros of both signs and infinities among the rest."""
    x = torch.randn(2, *SHAPE, generator=generator)
    x.view(-1)[:8] = torch.tensor([0.0, -0.0, torch.inf, -torch.inf, 0.0, -0.0, 1e-40, -1e-40])
    return x.roll(3, dims=2)


@pytest.fixture
def mask(generator: torch.Generator) -> Tensor:
    return torch.rand(SHAPE, generator=generator) < 0.4


def reference(x: Tensor, mask: Tensor) -> Tensor:
    """The published form, SNL's and SENet's."""
    return F.relu(x * mask) + x * ~mask


def value_and_gradient(module: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """The output, and the gradient of its sum weighted 1, 2, 3, ... ; x is left alone also by a module that works in place."""
    leaf = x.clone().requires_grad_()
    y = module(leaf.clone())
    weights = torch.arange(1, x.numel() + 1, dtype=x.dtype).view_as(x)
    (gradient,) = torch.autograd.grad(y, leaf, weights)
    return y.detach(), gradient


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_ones_is_the_relu(x: Tensor, dtype: torch.dtype, inplace: bool) -> None:
    """Bit for bit, the gradient of 0 at exactly 0 included."""
    x = x.to(dtype)
    partial = PartialReLU(torch.ones(SHAPE, dtype=torch.bool), inplace)
    for found, expected in zip(value_and_gradient(partial, x), value_and_gradient(nn.ReLU(), x), strict=True):
        assert found.dtype == dtype
        assert torch.equal(found, expected)
    assert (value_and_gradient(partial, x)[1][x == 0] == 0).all()


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_all_zeros_is_the_identity(x: Tensor, dtype: torch.dtype, inplace: bool) -> None:
    """Bit for bit, the gradient of 1 at exactly 0 included. (-inf is the floor itself; no network gets there.)"""
    x = x.to(dtype).clamp(min=torch.finfo(dtype).min)
    partial = PartialReLU(torch.zeros(SHAPE, dtype=torch.bool), inplace)
    for found, expected in zip(value_and_gradient(partial, x), value_and_gradient(nn.Identity(), x), strict=True):
        assert found.dtype == dtype
        assert torch.equal(found, expected)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("keep", [0.02, 0.4, 0.9])
def test_is_the_published_form(generator: torch.Generator, keep: float, inplace: bool) -> None:
    mask = torch.rand(SHAPE, generator=generator) < keep
    x = torch.randn(4, *SHAPE, generator=generator)
    found = value_and_gradient(PartialReLU(mask, inplace), x)
    leaf = x.clone().requires_grad_()
    y = reference(leaf, mask)
    (gradient,) = torch.autograd.grad(y, leaf, torch.arange(1.0, x.numel() + 1).view_as(x))
    assert torch.equal(found[0], y)
    assert torch.equal(found[1], gradient)


def test_by_hand() -> None:
    mask = torch.tensor([True, False]).view(2, 1, 1)
    x = torch.tensor([[-1.0, -2.0], [3.0, 4.0]]).view(2, 2, 1, 1)
    assert PartialReLU(mask)(x).flatten().tolist() == [0, -2, 3, 4]


@pytest.mark.parametrize("inplace", [False, True])
def test_gradcheck(generator: torch.Generator, mask: Tensor, inplace: bool) -> None:
    """Against finite differences, away from the kink; second derivatives too."""
    x = torch.rand(2, *SHAPE, dtype=torch.float64, generator=generator) + 0.1
    x = (x * (2 * torch.randint(2, x.shape, generator=generator) - 1)).requires_grad_()
    module = PartialReLU(mask, inplace).double()
    assert torch.autograd.gradcheck(lambda x: module(x.clone()), x)
    assert torch.autograd.gradgradcheck(lambda x: module(x.clone()), x)


def test_inplace_overwrites_its_input_and_nothing_else_does(x: Tensor, mask: Tensor) -> None:
    before = x.clone()
    y = PartialReLU(mask)(x)
    assert torch.equal(x, before)
    z = PartialReLU(mask, inplace=True)(x)
    assert z.data_ptr() == x.data_ptr()
    assert torch.equal(x, y)


def test_inplace_the_overwritten_tensor_has_the_gradient_too(generator: torch.Generator, mask: Tensor) -> None:
    """As with nn.ReLU(inplace=True): who goes on with the input goes on with the output."""
    gradients = []
    for use_input in (True, False):
        leaf = (torch.rand(2, *SHAPE, generator=generator.manual_seed(0)) - 0.5).requires_grad_()
        x = leaf * 1
        y = PartialReLU(mask, inplace=True)(x)
        gradients.append(torch.autograd.grad((x if use_input else y).sum(), leaf)[0])
    assert torch.equal(*gradients)
    assert 0 < gradients[0].sum() < mask.numel() * 2


def test_inplace_tells_autograd_what_it_overwrote(generator: torch.Generator, mask: Tensor) -> None:
    """The square needs its input for its gradient; a partial ReLU that changed it silently would give a wrong one."""
    a = torch.rand(2, *SHAPE, generator=generator).requires_grad_() - 0.5
    b = a * 1
    squared = b.square()
    PartialReLU(mask, inplace=True)(b)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared.sum().backward()


@pytest.mark.parametrize("inplace", [False, True])
def test_layout_of_the_activations_is_kept(generator: torch.Generator, mask: Tensor, inplace: bool) -> None:
    """channels_last in, channels_last out, and so the gradient; whichever layout the mask itself has."""
    x = torch.randn(2, *SHAPE, generator=generator)
    plain = value_and_gradient(PartialReLU(mask, inplace), x)
    for module in (PartialReLU(mask, inplace), PartialReLU(mask, inplace).to(memory_format=torch.channels_last)):
        leaf = x.clone().to(memory_format=torch.channels_last).requires_grad_()
        y = module(leaf.clone())
        weights = torch.arange(1.0, x.numel() + 1).view_as(x).to(memory_format=torch.channels_last)
        (gradient,) = torch.autograd.grad(y, leaf, weights)
        for found, expected in zip((y, gradient), plain, strict=True):
            assert found.is_contiguous(memory_format=torch.channels_last)
            assert torch.equal(found, expected)
    assert plain[0].is_contiguous()


def test_under_autocast_the_type_is_that_of_the_input(generator: torch.Generator, mask: Tensor) -> None:
    conv = nn.Conv2d(3, 3, 1)
    x = torch.randn(2, *SHAPE, generator=generator)
    with torch.autocast("cpu", torch.bfloat16):
        y = PartialReLU(mask)(conv(x))
        expected = reference(conv(x), mask)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, expected)


def test_flat_maps_have_masks_of_one_pixel(generator: torch.Generator) -> None:
    """A ReLU after a linear layer; with B = C a mask that lines up with the batch would show no error."""
    mask = torch.rand(4, 1, 1, generator=generator) < 0.5
    x = torch.randn(4, 4, generator=generator)
    y = PartialReLU(mask)(x)
    assert y.shape == x.shape
    assert torch.equal(y, reference(x, mask.flatten()))


@pytest.mark.parametrize("shape", [SHAPE, (6, 1, 1)])
def test_exported_it_is_where_mask_relu_x(generator: torch.Generator, shape: tuple[int, int, int]) -> None:
    """The graph that torch.export sees has ReLU and where, no floor, and gives the same values for every batch size."""
    mask = torch.rand(shape, generator=generator) < 0.4
    size = shape if shape[1:] != (1, 1) else shape[:1]
    module = PartialReLU(mask)
    program = torch.export.export(
        module, (torch.randn(2, *size, generator=generator),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert {"aten.relu.default", "aten.where.self"} <= names
    assert not any("max" in name for name in names)
    for batch in (1, 2, 5):
        x = torch.randn(batch, *size, generator=generator)
        assert torch.equal(program.module()(x), module(x))


def test_mask_is_what_was_set_and_is_not_part_of_the_weights(mask: Tensor) -> None:
    module = PartialReLU(torch.ones(SHAPE, dtype=torch.bool))
    floor = module.floor
    module.mask = mask
    assert torch.equal(module.mask, mask)
    assert module.mask.dtype == torch.bool
    assert module.floor is floor  # an optimiser's or a compiler's view of the module stays valid
    assert module.state_dict() == {}
    assert f"3x4x5, kept={int(mask.sum())} of 60" in repr(module)


@pytest.mark.parametrize("mask", [torch.ones(SHAPE), torch.ones(SHAPE, dtype=torch.uint8), torch.ones(4, 5, dtype=torch.bool)])
def test_refuses_what_is_no_mask(mask: Tensor) -> None:
    with pytest.raises(ValueError, match="a mask is a bool tensor"):
        PartialReLU(mask)


def test_refuses_the_mask_of_another_site() -> None:
    module = PartialReLU(torch.ones(SHAPE, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"the mask has shape \(3, 5, 4\), the site \(3, 4, 5\)"):
        module.mask = torch.ones(3, 5, 4, dtype=torch.bool)
