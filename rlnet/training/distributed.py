"""Several processes as one: `torchrun --nproc-per-node N -m rlnet.finetune ...`, on CPU (gloo) and GPU (nccl).

Every function here does the obvious thing with one process, so that nobody else asks how many there are.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """Within the context the processes that torchrun started form one group; without torchrun there is one process."""
    if "RANK" not in os.environ or dist.is_initialized():
        yield
        return
    use_nccl = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    dist.init_process_group("nccl" if use_nccl else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", 0))


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def barrier() -> None:
    if world_size() > 1:
        dist.barrier()


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """The sum of every rank's tensor, in place, on every rank."""
    if world_size() > 1:
        dist.all_reduce(tensor)
    return tensor


def gather(value: T) -> list[T]:
    """Every rank's value, in the order of the ranks, on every rank; values are pickled."""
    values = [value] * world_size()
    if world_size() > 1:
        dist.all_gather_object(values, value)
    return values


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces each gradient by its mean over the ranks, in one message; parameters without one are the same on all ranks."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if world_size() == 1 or not gradients:
        return
    flat = sum_over_ranks(torch.cat([gradient.flatten() for gradient in gradients])).div_(world_size())
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def all_agree(tensors: Iterable[Tensor]) -> bool:
    """Whether every rank holds bit-identical tensors."""
    for tensor in tensors:
        low, high = tensor.detach().double().clone(), tensor.detach().double().clone()
        if world_size() > 1:
            dist.all_reduce(low, dist.ReduceOp.MIN)
            dist.all_reduce(high, dist.ReduceOp.MAX)
        if not torch.equal(low, high):
            return False
    return True
