"""A partial ReLU: the ReLU where the mask keeps it, the identity elsewhere.

Cho et al. 2022 (SNL), Sec. 3; Kundu et al. 2023 (SENet), Sec. 4, write it as relu(x * m) + x * (1 - m).
"""

import torch
from torch import Tensor, nn


class _Floor(torch.autograd.Function):
    """max(x, floor), which saves only its output: the layer that follows saves that tensor anyway."""

    @staticmethod
    def forward(ctx, x: Tensor, floor: Tensor, inplace: bool) -> Tensor:
        if inplace:
            ctx.mark_dirty(x)
            y = torch.maximum(x, floor, out=x)
        else:
            y = torch.maximum(x, floor)
        ctx.save_for_backward(y, floor)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        y, floor = ctx.saved_tensors
        # A comparison into floats and a product are vectorised on CPUs; torch.where is several times slower there.
        passes = torch.gt(y.detach(), floor, out=torch.empty_like(y))
        return passes.mul_(gradient), None, None


class PartialReLU(nn.Module):
    """y = max(x, floor), floor = 0 where the mask keeps the ReLU and -inf where it is replaced by the identity.

    mask: bool (C, H, W), shared by the whole batch; True keeps the ReLU. x: (B, C, H, W), or (B, C) for a mask
    (C, 1, 1), any float type; returns the same shape and type. The gradient at exactly 0 is the ReLU's: 0 where the mask
    keeps, 1 elsewhere. With `inplace` the input is overwritten, as `nn.ReLU(inplace=True)` does.
    """

    floor: Tensor

    def __init__(self, mask: Tensor, inplace: bool = False):
        super().__init__()
        if mask.dtype != torch.bool or mask.ndim != 3:
            raise ValueError(f"a mask is a bool tensor (C, H, W), not {mask.dtype} of shape {tuple(mask.shape)}")
        self.inplace = inplace
        # 4-d, so that network.to(memory_format=torch.channels_last) lays it out like the activations it meets.
        self.register_buffer("floor", self._floor(mask)[None], persistent=False)

    @staticmethod
    def _floor(mask: Tensor) -> Tensor:
        return torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -torch.inf)

    @property
    def mask(self) -> Tensor:
        """The mask, bool (C, H, W)."""
        return self.floor[0] == 0

    @mask.setter
    def mask(self, mask: Tensor) -> None:
        if mask.shape != self.floor.shape[1:]:
            raise ValueError(f"the mask has shape {tuple(mask.shape)}, the site {tuple(self.floor.shape[1:])}")
        self.floor.copy_(self._floor(mask)[None])

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            # Standard ONNX operators: Where(mask, Relu(x), x).
            return torch.where(self.mask.flatten(x.ndim - 2), torch.relu(x), x)
        return _Floor.apply(x, self.floor.flatten(x.ndim - 1).to(x.dtype), self.inplace)

    def extra_repr(self) -> str:
        shape = "x".join(str(n) for n in self.floor.shape[1:])
        return f"{shape}, kept={int(self.mask.sum())} of {self.floor.numel()}"
