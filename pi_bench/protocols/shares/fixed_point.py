"""Fixed-point numbers: real values as integers modulo 2^64."""

import numpy as np
import torch
from torch import Tensor


def encode(values: np.ndarray | Tensor, bits: int) -> Tensor:
    """round(values * 2^bits) as int64 of the same shape."""
    return torch.as_tensor(values, dtype=torch.float64).mul(2.0**bits).round().to(torch.int64)


def decode(values: Tensor, bits: int) -> Tensor:
    """values / 2^bits as float64."""
    return values.double() / 2.0**bits
