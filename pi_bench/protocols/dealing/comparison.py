"""What a ReLU in one round trip uses up: an opening mask, a comparison key, and shares that make a value of its answer.

Of N elements, with r = r_0 + r_1 (mod 2^64) known to neither party, R = r >> shift (logical) and M = msb(r) 2^(64 - shift):

    key      of the distributed comparison function of alpha = R mod 2^n, n = bits - 1 (`dcf`), the same for both parties
    q_0 ^ q_1 = s ^ bit_(bits - 1)(R), which makes s a random bit
    shares   of s, R, M, s R and s M; where shift is 0, M is 0 and r_0, r_1 are shares of R, so of s and s R only
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pi_bench.protocols.dealing import dcf
from pi_bench.protocols.dealing.correlation import Correlation, Deal, Shape, Tensors
from pi_bench.protocols.dealing.randomness import Stream


@dataclass(frozen=True)
class Comparison(Correlation):
    """Each party gets (r_b, q_b, seed_b, key, shares_b): int64 (N,), (N,), (N, 2), (levels + 1, N, 2), (5 or 2, N).

    count: N. shift: the bits that are cut off. bits: of what is left, with its sign.
    """

    count: int
    shift: int
    bits: int

    @property
    def server_shapes(self) -> tuple[Shape, ...]:
        return self._key_shape, self._shares_shape

    @property
    def client_shapes(self) -> tuple[Shape, ...]:
        return (self._key_shape,)

    @property
    def _key_shape(self) -> Shape:
        return dcf.key_words(self.bits - 1) // 2, self.count, 2

    @property
    def _shares_shape(self) -> Shape:
        return (5 if self.shift else 2), self.count

    def deal(self, server: Stream, client: Stream, *known: Any) -> Deal:
        (r_0, q_0, seed_0), (r_1, q_1, seed_1) = self._drawn(server), self._drawn(client)
        r = words(r_0) + words(r_1)
        high = r >> np.uint64(self.shift)
        sign = (high >> np.uint64(self.bits - 1)) & np.uint64(1)
        s = words(q_0) ^ words(q_1) ^ sign
        alpha = high & np.uint64(2 ** (self.bits - 1) - 1)
        key = tensor(dcf.generate(alpha, words(seed_0), words(seed_1), self.bits - 1))
        shared = [s, s * high]
        if self.shift:
            top = (r >> np.uint64(63)) << np.uint64(64 - self.shift)
            shared += [high, top, s * top]
        return Deal((key, tensor(np.stack(shared)) - client.ring(self._shares_shape)), (key,))

    def _drawn(self, stream: Stream) -> Tensors:
        return stream.ring((self.count,)), stream.bits((self.count,)), stream.ring((self.count, 2))

    def of_server(self, stream: Stream, sent: Tensors) -> Tensors:
        return *self._drawn(stream), *sent

    def of_client(self, stream: Stream, sent: Tensors) -> Tensors:
        return *self._drawn(stream), *sent, stream.ring(self._shares_shape)


def words(tensor: Tensor) -> np.ndarray:
    """The same memory as uint64."""
    return tensor.numpy().view(np.uint64)


def tensor(words: np.ndarray) -> Tensor:
    """The same memory as int64."""
    return torch.from_numpy(words.view(np.int64))
