"""Convolutions that keep away from a kernel of torch's CPU library that writes out of bounds; for strided 1x1 ones."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNEL_BLOCK = 16  # what oneDNN's kernels take at once, at most


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, int],
    padding: int | tuple[int, int],
    groups: int = 1,
) -> Tensor:
    """`F.conv2d` of x (B, C, H, W) and weight (O, C / groups, K, K).

    oneDNN's weight gradient of a strided 1x1 convolution over few channels, in fp32 and channels last, writes past its
    workspace: the process crashes, or gradients are wrong (oneDNN issue 6035, seen up to torch 2.15). Where it could be asked
    for one, the pixels that the stride leaves are taken first, which computes the same.
    """
    trained = torch.is_grad_enabled() and weight.requires_grad
    if trained and weight.shape[-1] == 1 and stride != (1, 1) and x.shape[1] < CHANNEL_BLOCK and x.device.type == "cpu":
        x, stride = x[:, :, :: stride[0], :: stride[1]], (1, 1)
    return F.conv2d(x, weight, bias, stride, padding, groups=groups)


class Conv2d(nn.Conv2d):
    """`nn.Conv2d` by `conv2d`."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return conv2d(x, weight, bias, self.stride, self.padding, self.groups)
