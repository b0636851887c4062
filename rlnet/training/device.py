"""Where and in which number format the networks run."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from rlnet.training.config import Precision


@dataclass(frozen=True)
class Compute:
    """A device and the number format of its convolutions; parameters and losses are fp32 in either."""

    device: torch.device
    precision: Precision

    @property
    def dtype(self) -> torch.dtype:
        """The type in which convolutions run."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    def autocast(self) -> AbstractContextManager:
        """The context of a forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def resolve(device: str, precision: str, local_rank: int = 0) -> Compute:
    """The device "auto", "cpu" or "cuda", and the precision "auto", "fp32" or "bf16".

    "auto" is the accelerator if there is one, and bf16 where the hardware computes in it: elsewhere it is emulated and several
    times slower than fp32. Raises ValueError for a device that is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        if not torch.cuda.is_available():
            raise ValueError("device cuda: this machine or this build of torch has no usable GPU; use --device cpu")
        chosen = torch.device("cuda", local_rank)
        torch.cuda.set_device(chosen)
        # The same numbers every time, and none of the seconds that cuDNN takes to try its algorithms on every new shape: an
        # attack's batch shrinks with every image that is fooled, and each sub-network of a supernet has shapes of its own.
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
        torch.backends.cudnn.allow_tf32 = False  # fp32 is fp32: cuDNN's convolutions round to 10 bits by default
    else:
        chosen = torch.device("cpu")
    if precision == "auto":
        precision = "bf16" if _has_bf16[chosen.type]() else "fp32"
    return Compute(chosen, precision)


_has_bf16: dict[str, Callable[[], bool]] = {
    "cuda": lambda: torch.cuda.is_bf16_supported(including_emulation=False),
    "cpu": lambda: any(torch.cpu.get_capabilities().get(feature, False) for feature in ("avx512_bf16", "amx_bf16")),
}
