"""Streams of ring elements: the same on both sides, different for different keys, uniform."""

import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from pi_bench.protocols.dealing.randomness import Stream, fresh_key


def test_a_key_gives_one_stream_however_it_is_cut() -> None:
    key = fresh_key()
    whole = Stream(key).ring((300_000,))
    stream = Stream(key)
    pieces = [stream.ring(shape) for shape in ((7,), (2, 3), (), (131_072,), (0, 4), (168_914,))]
    assert torch.equal(torch.cat([piece.flatten() for piece in pieces]), whole)


def test_it_is_the_cipher() -> None:
    """The first block is the cipher of the counter 0."""
    key = torch.tensor([3, -4])
    block = Cipher(algorithms.AES(key.numpy().tobytes()), modes.ECB()).encryptor().update(bytes(16))
    assert Stream(key).ring((2,)).numpy().tobytes() == block


def test_keys_differ() -> None:
    first, second = fresh_key(), fresh_key()
    assert not torch.equal(first, second)
    assert not torch.isin(Stream(first).ring((1000,)), Stream(second).ring((1000,))).any()


def test_elements_and_bits_are_uniform() -> None:
    """Mean, spread and sign of 10^5 elements within five standard errors; a constant or a short range would be far outside."""
    stream = Stream(torch.tensor([5, 6]))
    elements = stream.ring((100_000,)).double() / 2.0**63
    assert abs(elements.mean()) < 5 * (1 / 3) ** 0.5 / 100_000**0.5
    assert abs(elements.var() - 1 / 3) < 0.01
    bits = stream.bits((100_000,))
    assert set(bits.unique().tolist()) == {0, 1} and abs(bits.double().mean() - 0.5) < 5 * 0.5 / 100_000**0.5
