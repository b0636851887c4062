"""`conv2d` gives torch's numbers, also where a kernel of the CPU library would crash or be wrong."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rlnet.models import NetworkConfig, build
from rlnet.models.convolution import conv2d


def gradients(convolve, x: Tensor, weight: Tensor, **options) -> list[Tensor]:
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    out = convolve(x, weight, None, **options)
    return [out.detach(), *torch.autograd.grad(out.square().sum(), (x, weight))]


@pytest.mark.parametrize("c_in", [3, 4, 6, 11, 16])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 2)])
def test_gradients_are_those_of_float64(c_in: int, kernel: int, stride: int):
    generator = torch.Generator().manual_seed(c_in)
    x = torch.rand(64, c_in, 33, 32, generator=generator).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(2 * c_in, c_in, kernel, kernel, generator=generator).contiguous(memory_format=torch.channels_last)
    options = {"stride": (stride, stride), "padding": kernel // 2}
    exact = gradients(F.conv2d, x.double().contiguous(), weight.double().contiguous(), **options)
    for found, wanted in zip(gradients(conv2d, x, weight, **options), exact, strict=True):
        assert (found - wanted).norm() < 1e-5 * wanted.norm()


@pytest.mark.parametrize("name", ["resnet18", "wrn22-8"])
def test_a_narrow_network_learns_in_fp32(name: str):
    """Without the detour this crashes: its shortcuts are strided 1x1 convolutions over 4 and 8 channels."""
    network = build(NetworkConfig(name=name, width=4), 10, (0.5,) * 3, (0.25,) * 3).to(memory_format=torch.channels_last)
    x = torch.rand(256, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        network.train()(x, mode="clean").square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters() if parameter.grad is not None)
