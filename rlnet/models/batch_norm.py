"""Batch norm by mode: one set of statistics and affine parameters per path (Xie et al. 2020, AdvProp; RLNet Sec. 2.3)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn import functional

from rlnet.models.convolution import Conv2d
from rlnet.models.words import BatchNormKind, Mode

SELECTABLE: tuple[Mode, ...] = get_args(Mode)  # the modes in the order in which a `ModeSelector` numbers them

# Which path a view takes in training, and a mode in use: mode "normal" is the path of the clean view.
PATHS: dict[str, dict[str, str]] = {
    "single": {"normal": "shared", "clean": "shared", "augmented": "shared", "adversarial": "shared"},
    "dual": {"normal": "clean", "clean": "clean", "augmented": "clean", "adversarial": "adversarial"},
    "triple": {"normal": "clean", "clean": "clean", "augmented": "augmented", "adversarial": "adversarial"},
}


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose batch statistics are those of the joint batch of all ranks, with gloo as with nccl.

    `nn.SyncBatchNorm` runs on accelerators only; this one runs wherever the process group does. With one process it is
    `nn.BatchNorm2d`. Every rank must hold equally many images. Of fewer channels than it has, as in a supernet, it takes its
    first entries.
    """

    def forward(self, x: Tensor) -> Tensor:
        c = x.shape[1]
        mean, variance, weight, bias = self.entries(c)
        if not self.training:
            return functional.batch_norm(x, mean, variance, weight, bias, eps=self.eps)
        if not (dist.is_initialized() and dist.get_world_size() > 1):
            self.num_batches_tracked.add_(1)
            return functional.batch_norm(x, mean, variance, weight, bias, True, self.momentum, self.eps)
        return self._synced(x)

    def entries(self, c: int) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Running mean and variance, weight and bias of the first c channels, as views; None without affine parameters."""
        tensors = self.running_mean, self.running_var, self.weight, self.bias
        return tensors if c == self.num_features else tuple(None if tensor is None else tensor[:c] for tensor in tensors)

    def _synced(self, x: Tensor) -> Tensor:
        running_mean, running_var, weight, bias = self.entries(x.shape[1])
        wide = x.float()
        moments = torch.stack([wide.mean(dim=(0, 2, 3)), wide.square().mean(dim=(0, 2, 3))])
        mean, square = all_reduce(moments) / dist.get_world_size()
        variance = (square - mean.square()).clamp(min=0)
        with torch.no_grad():
            n = x.numel() // x.shape[1] * dist.get_world_size()
            running_mean.lerp_(mean, self.momentum)
            running_var.lerp_(variance * (n / (n - 1)), self.momentum)
            self.num_batches_tracked.add_(1)
        scale = (variance + self.eps).rsqrt() if weight is None else weight * (variance + self.eps).rsqrt()
        shift = -mean * scale if bias is None else bias - mean * scale
        return (wide * scale[:, None, None] + shift[:, None, None]).to(x.dtype)


class ModeBatchNorm2d(nn.Module):
    """One batch norm per path over C channels; `take(mode)` chooses the path of the forward passes that follow.

    kind: "single", "dual" (clean and augmented images share a path) or "triple"; see `PATHS`. The network that holds it
    calls `take`, its blocks never do. affine: whether paths have weights and biases, or statistics only. selected: the scale
    and shift that a `ModeSelector` gives for one call, else None.
    """

    def __init__(self, channels: int, kind: BatchNormKind, affine: bool = True):
        super().__init__()
        self.routes = PATHS[kind]
        paths = dict.fromkeys(self.routes.values())
        self.paths = nn.ModuleDict({path: SyncedBatchNorm2d(channels, affine=affine) for path in paths})
        self.path = self.routes["normal"]
        self.selected: tuple[Tensor, Tensor] | None = None

    def take(self, mode: str) -> None:
        """Chooses the path of a mode, or of a view while training. Raises ValueError for any other word."""
        if mode not in self.routes:
            raise ValueError(f"there is no mode {mode!r}; use one of {', '.join(self.routes)}")
        self.path = self.routes[mode]

    @property
    def current(self) -> SyncedBatchNorm2d:
        """The batch norm of the chosen path."""
        return self.paths[self.path]

    @property
    def affine(self) -> tuple[Tensor, Tensor]:
        """What it does in eval mode, y = x s + t: s = gamma / std and t = beta - mean s of the chosen path, each (C,)."""
        if self.selected is not None:
            return self.selected
        bn = self.current
        scale = (bn.running_var + bn.eps).rsqrt()
        if not bn.affine:
            return scale, -bn.running_mean * scale
        scale = bn.weight * scale
        return scale, bn.bias - bn.running_mean * scale

    def forward(self, x: Tensor) -> Tensor:
        if self.selected is not None:
            scale, shift = self.selected
            return functional.batch_norm(x, torch.zeros_like(shift), torch.ones_like(scale), scale, shift, eps=0.0)
        return self.current(x)


class NormedConv2d(Conv2d):
    """A convolution and the mode-wise batch norm of its output: y = bn(conv(x)).

    While the network is `frozen` it is one convolution, with the path's running statistics folded into its weight. groups:
    c_in for a depthwise one. bias: of the convolution, which a batch norm takes out again; some published networks have it.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel_size: int,
        kind: BatchNormKind,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        affine: bool = True,
    ):
        super().__init__(c_in, c_out, kernel_size, stride, padding=kernel_size // 2, groups=groups, bias=bias)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.bn = ModeBatchNorm2d(c_out, kind, affine)
        self.folded: tuple[Tensor, Tensor] | None = None

    def fold(self, dtype: torch.dtype) -> None:
        """Makes one convolution of this one and its path's batch norm y = x s + t: w' = w s, b' = t (+ b s)."""
        scale, shift = self.bn.affine
        if self.bias is not None:
            shift = shift + self.bias * scale
        self.folded = (self.weight * scale.view(-1, 1, 1, 1)).to(dtype), shift.to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        if self.folded is not None:
            return self._conv_forward(x, *self.folded)
        return self.bn(super().forward(x))


@contextmanager
def frozen(network: nn.Module, mode: str, dtype: torch.dtype | None = None) -> Iterator[None]:
    """Within the context the network is a constant function of its input: the eval-mode network of one mode.

    No gradient reaches a parameter, no statistic changes, batch norms are folded into the convolutions before them (in
    `dtype`; None is the type autocast would use now). On leaving, the network is exactly as it was.
    """
    training = {module: module.training for module in network.modules()}
    gradients = {parameter: parameter.requires_grad for parameter in network.parameters()}
    norms = {module: module.path for module in network.modules() if isinstance(module, ModeBatchNorm2d)}
    if dtype is None:
        device = next(network.parameters()).device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    try:
        network.eval().requires_grad_(False)
        for norm in norms:
            norm.take(mode)
        with _folded(network, dtype):
            yield
    finally:
        for norm, path in norms.items():
            norm.path = path
        for module, flag in training.items():
            module.training = flag
        for parameter, flag in gradients.items():
            parameter.requires_grad_(flag)


@contextmanager
def _folded(network: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Within the context every convolution has its batch norm in it, as that is now; on leaving, what it had before."""
    convs = {module: module.folded for module in network.modules() if isinstance(module, NormedConv2d)}
    try:
        for conv in convs:
            conv.fold(dtype)
        yield
    finally:
        for conv, folded in convs.items():
            conv.folded = folded


class ModeSelector(nn.Module):
    """A network whose mode is an input; made by `selectable`, and good within its context.

    All modes share the weights: each call takes its mode's scale and shift of every batch norm from tables (M, C) of the M
    modes, w' = w s[mode] and b' = t[mode].
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network
        norms, rows = [module for module in network.modules() if isinstance(module, ModeBatchNorm2d)], []
        for mode in SELECTABLE:
            with frozen(network, mode, torch.float32):
                rows.append([torch.stack(norm.affine) for norm in norms])
        self._tables = {norm: torch.stack(by_mode, dim=1) for norm, by_mode in zip(norms, zip(*rows, strict=True), strict=True)}

    def forward(self, image: Tensor, mode: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [0, 1]. mode: int64 (), its place in SELECTABLE.

        Another number is an index out of range: an IndexError of torch; in ONNX, the error of a Gather. So is a negative one,
        which Gather alone would count from the end.
        """
        row = torch.where(mode < 0, len(SELECTABLE), mode).view(1)
        try:
            for norm, (scales, shifts) in self._tables.items():
                norm.selected = scales.index_select(0, row).view(-1), shifts.index_select(0, row).view(-1)
            with _folded(self.network, torch.float32):
                return self.network(image)
        finally:
            for norm in self._tables:
                norm.selected = None


@contextmanager
def selectable(network: nn.Module) -> Iterator[ModeSelector]:
    """Within the context the network is frozen in all modes at once: a function of images and mode.

    On leaving, the network is exactly as it was.
    """
    with frozen(network, SELECTABLE[0], torch.float32):
        yield ModeSelector(network)
