"""CrypTen as a library of primitives: its tensors and protocols, over our channel and with our randomness.

CrypTen asks two objects for all that is not arithmetic: a communicator, which carries what is opened, and a provider of
correlated randomness. This module gives it ours. Imports crypten, which takes a second and needs one alias on torch >= 2.9.
"""

import importlib
import os
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from pi_bench.protocols.dealing.correlation import Correlation, Shape, Tensors
from pi_bench.protocols.dealing.products import BilinearTriple
from pi_bench.protocols.dealing.triples import BinaryTriple, RandomBit, Triple
from pi_bench.wire.channel import Channel

_MOVED = "torch.onnx._internal.torchscript_exporter.registration"
_OLD = "torch.onnx._internal.registration"

if _OLD not in sys.modules:
    sys.modules[_OLD] = importlib.import_module(_MOVED)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # escapes in CrypTen's docstrings, and what its dependencies deprecate
    import crypten
    import crypten.communicator
    import crypten.mpc
    from crypten.config import cfg
    from crypten.mpc import MPCTensor
    from crypten.mpc.primitives import ArithmeticSharedTensor, BinarySharedTensor

SERVER, CLIENT = 0, 1  # CrypTen's ranks
_COMBINE = {torch.distributed.ReduceOp.SUM: torch.add, torch.distributed.ReduceOp.BXOR: torch.bitwise_xor}


class TwoPartyCommunicator:
    """What CrypTen opens between two parties, as one simultaneous exchange: one round, each share sent once."""

    def __init__(self, channel: Channel, rank: int):
        self._channel = channel
        self._rank = rank

    def get_rank(self) -> int:
        return self._rank

    def get_world_size(self) -> int:
        return 2

    def all_reduce(self, shares: Any, op: Any = torch.distributed.ReduceOp.SUM, batched: bool = False) -> Any:
        """The sum (or XOR) of both parties' shares, on both; of a list of them in one round."""
        own = [share.contiguous() for share in (shares if batched else [shares])]
        other = [torch.empty_like(share) for share in own]
        self._channel.exchange(own, other)
        opened = [_COMBINE[op](mine, yours, out=yours) for mine, yours in zip(own, other, strict=True)]
        return opened if batched else opened[0]


class DealtRandomness:
    """CrypTen's provider of tuples, from a queue that is filled with what was dealt before the input was known.

    CrypTen says what it needs by shape; what comes next in the queue has to be just that.
    """

    NAME = "dealt"

    def __init__(self) -> None:
        self._queue: deque[tuple[Correlation, Tensors]] = deque()

    def fill(self, dealt: Iterable[tuple[Correlation, Tensors]]) -> None:
        """For one layer, all of which the layer before it has used up."""
        assert not self._queue, self._queue
        self._queue.extend(dealt)

    def _next(self, kind: type[Correlation], shape: torch.Size) -> tuple[Tensor, ...]:
        correlation, tensors = self._queue.popleft()
        assert isinstance(correlation, kind) and tensors[0].shape == shape, (correlation, kind, shape)
        return tensors

    def generate_additive_triple(self, size0: Any, size1: Any, op: str, device: Any = None, *_: Any, **__: Any) -> Any:
        a, b, c = self._next(Triple if op == "mul" else BilinearTriple, size0)
        tensors = a, b.t() if op == "matmul" else b, c  # a Linear's matrix is (O, I), CrypTen's the other way round
        assert tensors[1].shape == size1, (op, tensors[1].shape, size1)
        return tuple(ArithmeticSharedTensor.from_shares(tensor, precision=0) for tensor in tensors)

    def generate_binary_triple(self, size0: Any, size1: Any, device: Any = None) -> Any:
        return tuple(BinarySharedTensor.from_shares(tensor) for tensor in self._next(BinaryTriple, size0))

    def B2A_rng(self, size: Any, device: Any = None) -> Any:
        arithmetic, xor = self._next(RandomBit, size)
        return ArithmeticSharedTensor.from_shares(arithmetic, precision=0), BinarySharedTensor.from_shares(xor)


class Engine:
    """CrypTen in this process, as one of two parties; there is one at most, for CrypTen keeps its state in its modules.

    Without a dealer rank 0 is CrypTen's own "trusted" first party.
    """

    def __init__(self, role: str, channel: Channel, has_dealer: bool):
        communicator = TwoPartyCommunicator(channel, SERVER if role == "server" else CLIENT)
        provider = DealtRandomness() if has_dealer else None
        crypten.communicator.get = lambda: communicator  # CrypTen looks it up there each time and cannot be handed one
        cfg.set_config(_plain(cfg.config))
        cfg.mpc.provider = "TFP"
        if provider is not None:
            vars(crypten.mpc)["__SUPPORTED_PROVIDERS"][provider.NAME] = provider
            cfg.mpc.provider = provider.NAME
        self._provider = provider
        _share_seeds(channel)

    def fill(self, dealt: Iterable[tuple[Correlation, Tensors]]) -> None:
        """Hands over what was dealt for the layer that comes next; nothing where there is no dealer."""
        if self._provider is not None:
            self._provider.fill(dealt)

    def relu(self, words: Tensor) -> Tensor:
        """CrypTen's ReLU of this party's additive share."""
        return MPCTensor.from_shares(words).relu().share

    def shared_by_server(self, words: Tensor | None, shape: Shape) -> ArithmeticSharedTensor:
        """Additive shares of what the server has, as whole numbers."""
        return ArithmeticSharedTensor(words, size=shape, src=SERVER, precision=0)

    def whole(self, words: Tensor) -> ArithmeticSharedTensor:
        """This party's additive share as a tensor of CrypTen's, as whole numbers, which CrypTen does not truncate."""
        return ArithmeticSharedTensor.from_shares(words, precision=0)


def _plain(config: Any) -> Any:
    """The configuration as plain objects: CrypTen reads it some hundred times in a ReLU, and OmegaConf takes 30 us for each."""
    return SimpleNamespace(**{key: _plain(value) for key, value in config.items()}) if isinstance(config, Mapping) else config


def _share_seeds(channel: Channel) -> None:
    """CrypTen's generators: "prev" and "next" give sharings of zero that both parties know, "local" its own randomness."""
    own, other = torch.tensor([_seed()]), torch.empty(1, dtype=torch.int64)
    channel.exchange([own], [other])
    cpu = torch.device("cpu")
    seeds = {"next": own.item(), "prev": other.item(), "local": _seed(), "global": own.item() ^ other.item()}
    for name, seed in seeds.items():
        crypten.generators[name][cpu] = torch.Generator().manual_seed(seed)


def _seed() -> int:
    return int.from_bytes(os.urandom(8), "little", signed=True)
