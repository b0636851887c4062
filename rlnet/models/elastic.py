"""Layers of which a part can be active: a network made of them is a supernet, the same network made of plain ones is not.

An active part is always the first channels, the centre of a kernel, and some of the members of a container (Cai et al. 2020,
Once-for-All, arXiv:1908.09791, Sec. 3). How many input channels are active, a layer sees by its input.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlnet.models.batch_norm import NormedConv2d
from rlnet.models.convolution import conv2d

TRANSFORMED = (7, 5, 3)  # kernel sizes from the stored one down; each is a transformed centre of the one before


class ElasticConv2d(NormedConv2d):
    """A `NormedConv2d` of which the first `active_channels` outputs are active, and the centre `active_kernel` of the kernel.

    Depthwise, its outputs are its inputs, and with `transforms` its smaller kernels are learnt linear maps of the centre of the
    next larger one, starting at the identity (Cai et al. 2020, Sec. 3, "elastic kernel size"); a kernel of 7 then has those of
    5 and 3.
    """

    def __init__(self, c_in: int, c_out: int, kernel_size: int, *rest: object, transforms: bool = False, **options: object):
        super().__init__(c_in, c_out, kernel_size, *rest, **options)
        assert self.groups in (1, c_in), "an elastic convolution is dense or depthwise"
        self.active_channels, self.active_kernel = c_out, kernel_size
        self.transforms = nn.ParameterDict()
        if transforms:
            for size in TRANSFORMED:
                if size < kernel_size:
                    self.transforms[str(size)] = nn.Parameter(torch.eye(size * size))

    def kernel(self, weight: Tensor, size: int) -> Tensor:
        """The kernel (C, I, size, size) of a stored one (C, I, K, K)."""
        for smaller in TRANSFORMED:
            if size <= smaller < weight.shape[-1]:
                border = (weight.shape[-1] - smaller) // 2
                weight = weight[..., border : border + smaller, border : border + smaller]
                if str(smaller) in self.transforms:
                    weight = (weight.flatten(2) @ self.transforms[str(smaller)].T).view_as(weight)
        return weight

    def active(self, weight: Tensor, c_in: int) -> Tensor:
        """The part of a weight that c_in input channels and the active genes use."""
        c_out, c_in = (c_in, 1) if self.groups > 1 else (self.active_channels, c_in)
        return self.kernel(weight[:c_out, :c_in], self.active_kernel)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = (self.weight, self.bias) if self.folded is None else self.folded
        weight = self.active(weight, x.shape[1])
        bias = None if bias is None else bias[: len(weight)]
        groups = x.shape[1] if self.groups > 1 else 1
        out = conv2d(x, weight, bias, self.stride, self.active_kernel // 2, groups)
        return self.bn(out) if self.folded is None else out


class ElasticLinear(nn.Linear):
    """An `nn.Linear` of as many inputs as there are, of which the first `active_features` outputs are active."""

    def __init__(self, c_in: int, c_out: int, bias: bool = True):
        super().__init__(c_in, c_out, bias)
        self.active_features = c_out

    def forward(self, x: Tensor) -> Tensor:
        c = self.active_features
        return F.linear(x, self.weight[:c, : x.shape[1]], None if self.bias is None else self.bias[:c])


class Members(nn.ModuleDict):
    """A container of which a specification may leave members out; `active` are the names of those that are there."""

    def __init__(self, modules: dict[str, nn.Module]):
        super().__init__(modules)
        self.active = tuple(modules)

    def present(self) -> list[nn.Module]:
        """The active members, in order."""
        return [self[name] for name in self.active]


class Chain(Members):
    """A stage: its active members one after the other. modules: by name, or a list of those named "0", "1", ..."""

    def __init__(self, modules: list[nn.Module] | dict[str, nn.Module]):
        super().__init__({str(i): module for i, module in enumerate(modules)} if isinstance(modules, list) else modules)

    def forward(self, x: Tensor) -> Tensor:
        for module in self.present():
            x = module(x)
        return x


@dataclass(frozen=True)
class Layers:
    """What a network is made of. conv: (c_in, c_out, kernel_size, kind, stride, groups=, bias=, affine=, transforms=); with
    transforms a depthwise kernel's smaller sizes are learnt, which only an elastic one takes notice of. linear: (c_in, c_out,
    bias=)."""

    conv: Callable[..., NormedConv2d]
    linear: Callable[..., nn.Linear]


def _static_conv(*arguments: object, transforms: bool = False, **options: object) -> NormedConv2d:
    return NormedConv2d(*arguments, **options)


STATIC = Layers(_static_conv, nn.Linear)
ELASTIC = Layers(ElasticConv2d, ElasticLinear)


def activate(supernet: nn.Module, network: nn.Module) -> None:
    """Makes the supernet compute with the part of it that is `network`'s: modules of one name are one module.

    network: the static network of a specification; it may be on the meta device.
    """
    parts = dict(network.named_modules())
    for name, module in supernet.named_modules():
        part = parts.get(name)
        if isinstance(module, Members) and part is not None:
            module.active = tuple(part.keys())
        elif isinstance(module, ElasticConv2d) and part is not None:
            module.active_channels, (module.active_kernel, _) = part.out_channels, part.kernel_size
        elif isinstance(module, ElasticLinear) and part is not None:
            module.active_features = part.out_features


@torch.no_grad()
def copy_part(supernet: nn.Module, network: nn.Module) -> None:
    """Gives the static network the weights and statistics that the supernet computes with when it is activated."""
    modules = dict(supernet.named_modules())
    for name, part in network.named_modules():
        module = modules[name]
        for kind in (part._parameters, part._buffers):
            for key, target in kind.items():
                if target is None:
                    continue
                source = getattr(module, key)
                if isinstance(module, ElasticConv2d) and key == "weight":
                    source = module.kernel(source[: target.shape[0], : target.shape[1]], target.shape[-1])
                target.copy_(source[tuple(slice(size) for size in target.shape)])
