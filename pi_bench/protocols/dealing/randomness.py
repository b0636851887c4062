"""Random ring elements from a key: AES-128 in counter mode.

The dealer and a party that share a key expand it to the same elements, so that the dealer sends only what cannot be expanded.
CrypTen draws such elements from a Mersenne twister, whose state can be worked out from its output; a cipher's cannot.
"""

import os
from math import prod

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import CTR
from torch import Tensor

KEY_BYTES = 16
_BLOCK_BYTES = 1 << 20


def fresh_key() -> Tensor:
    """A key from the operating system: int64 (2,), the form in which parties send it."""
    return torch.frombuffer(bytearray(os.urandom(KEY_BYTES)), dtype=torch.int64)


class Stream:
    """The random elements that one key gives, in order. Equal keys and calls give equal tensors."""

    def __init__(self, key: Tensor):
        self._encryptor = Cipher(AES128(key.numpy().tobytes()), CTR(bytes(16))).encryptor()
        self._zeros = bytes(_BLOCK_BYTES)

    def ring(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform elements of Z / 2^64: int64 of the shape."""
        n_bytes = 8 * prod(shape)
        buffer = np.empty(n_bytes + 15, np.uint8)  # the cipher wants room for a block more
        zeros, view = memoryview(self._zeros), memoryview(buffer)
        for start in range(0, n_bytes, _BLOCK_BYTES):
            step = min(_BLOCK_BYTES, n_bytes - start)
            self._encryptor.update_into(zeros[:step], view[start : start + step + 15])
        return torch.from_numpy(buffer[:n_bytes].view(np.int64)).reshape(shape)

    def bits(self, shape: tuple[int, ...]) -> Tensor:
        """Uniform single bits: int64 0 or 1 of the shape."""
        return self.ring(shape).bitwise_and_(1)
