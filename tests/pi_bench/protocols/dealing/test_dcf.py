"""Comparison keys: right on every input, the same as a plain reference's bit for bit, and to one party noise."""

from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import ECB
from numpy.typing import NDArray

from pi_bench.protocols.dealing import dcf
from pi_bench.protocols.dealing.dcf import evaluate, generate, key_words

Words = NDArray[np.uint64]
LEFT, LEAF, RIGHT = 0, 1, 2


def h(s: int) -> int:
    cipher = Cipher(AES128(b"rlnet/dcf/public"), ECB()).encryptor()
    return int.from_bytes(cipher.update(s.to_bytes(16, "little")), "little") ^ s


def child(s: int, side: int) -> tuple[int, int, int]:
    """Seed, control bit and value bit."""
    block = h(s ^ side)
    return block >> 4 << 4, block & 1, block >> 1 & 1


def reference_generate(alpha: int, seeds: tuple[int, int], bits: int) -> list[int]:
    """Gen of BGI+21 with output group Z_2 and early termination, for one key: 128 bits a level, then the leaf's."""
    s, t, v, key = [seed >> 4 << 4 for seed in seeds], [0, 1], 0, []
    for i in range(bits - 1, 6, -1):
        alpha_i = alpha >> i & 1
        left, right = [child(s[b], LEFT) for b in (0, 1)], [child(s[b], RIGHT) for b in (0, 1)]
        keep, lose = (right, left) if alpha_i else (left, right)
        s_cw = lose[0][0] ^ lose[1][0]
        t_cw_left = left[0][1] ^ left[1][1] ^ alpha_i ^ 1
        t_cw_right = right[0][1] ^ right[1][1] ^ alpha_i
        v_cw = lose[0][2] ^ lose[1][2] ^ v ^ alpha_i
        v ^= keep[0][2] ^ keep[1][2] ^ v_cw
        t_cw_keep = t_cw_right if alpha_i else t_cw_left
        s = [keep[b][0] ^ t[b] * s_cw for b in (0, 1)]
        t = [keep[b][1] ^ t[b] * t_cw_keep for b in (0, 1)]
        key.append(s_cw | t_cw_left | v_cw << 1 | t_cw_right << 2)
    comparisons = sum((j < alpha % 128) << j for j in range(128))
    return [*key, h(s[0] ^ LEAF) ^ h(s[1] ^ LEAF) ^ comparisons ^ v * (2**128 - 1)]


def reference_evaluate(party: int, seed: int, key: list[int], x: int, bits: int) -> int:
    """Eval of BGI+21 for the same."""
    s, t, v = seed >> 4 << 4, party, 0
    for i, cw in zip(range(bits - 1, 6, -1), key[:-1], strict=True):
        side, t_cw = (RIGHT, cw >> 2 & 1) if x >> i & 1 else (LEFT, cw & 1)
        s_child, t_child, v_child = child(s, side)
        v ^= v_child ^ t * (cw >> 1 & 1)
        s, t = s_child ^ t * (cw >> 4 << 4), t_child ^ t * t_cw
    return v ^ (h(s ^ LEAF) ^ t * key[-1]) >> x % 128 & 1


def random_words(rng: np.random.Generator, *shape: int) -> Words:
    return rng.integers(0, 2**64, shape, np.uint64)


def as_ints(blocks: Words) -> list[int]:
    return [int(low) | int(high) << 64 for low, high in blocks]


def case(bits: int, count: int, seed: int = 0) -> tuple[Words, Words, Words, Words]:
    """alpha, x and both parties' seeds: a quarter of each x at alpha - 1, alpha and alpha + 1, the first ones at the ends."""
    rng = np.random.default_rng(seed)
    alpha, x = rng.integers(0, 2**bits, (2, count), np.uint64)
    for k in range(3):
        x[k::4] = alpha[k::4] + np.uint64(k) - np.uint64(1)
    ends = np.array([0, 2**bits - 1], np.uint64)
    alpha[:4], x[:4] = np.repeat(ends, 2), np.tile(ends, 2)
    x[4:6], alpha[6:8] = ends, ends
    return alpha, x & ends[1], random_words(rng, count, 2), random_words(rng, count, 2)


def compared(alpha: Words, x: Words, seeds_0: Words, seeds_1: Words, bits: int) -> NDArray[np.uint8]:
    key = generate(alpha, seeds_0, seeds_1, bits)
    return evaluate(0, seeds_0, key, x, bits) ^ evaluate(1, seeds_1, key, x, bits)


@pytest.mark.parametrize("bits", [1, 3, 7, 8])
def test_every_alpha_and_every_x(bits: int) -> None:
    values = np.arange(2**bits, dtype=np.uint64)
    alpha, x = np.repeat(values, len(values)), np.tile(values, len(values))
    rng = np.random.default_rng(bits)
    seeds_0, seeds_1 = random_words(rng, len(x), 2), random_words(rng, len(x), 2)
    np.testing.assert_array_equal(compared(alpha, x, seeds_0, seeds_1, bits), x < alpha)


def test_every_x_with_one_key() -> None:
    """All sixteen leaves of one tree: four levels, of which each x takes its own way down."""
    bits, alpha, x = 11, 1234, np.arange(2**11, dtype=np.uint64)
    seeds = random_words(np.random.default_rng(0), 2, 1, 2)
    key = generate(np.array([alpha], np.uint64), *seeds, bits)
    shares = [evaluate(b, np.repeat(seeds[b], len(x), 0), np.repeat(key, len(x), 1), x, bits) for b in (0, 1)]
    np.testing.assert_array_equal(shares[0] ^ shares[1], x < alpha)


@pytest.mark.parametrize("bits", [2, 6, 9, 14, 20, 23, 32, 47, 62, 63])
def test_random_inputs_and_the_edges(bits: int) -> None:
    alpha, x, seeds_0, seeds_1 = case(bits, 3000)
    np.testing.assert_array_equal(compared(alpha, x, seeds_0, seeds_1, bits), x < alpha)


@pytest.mark.parametrize("bits", [1, 7, 8, 9, 23, 63])
def test_the_key_and_the_shares_are_the_reference_s(bits: int) -> None:
    alpha, x, *seeds = case(bits, 12)
    key = generate(alpha, *seeds, bits)
    shares = [evaluate(b, seeds[b], key, x, bits) for b in (0, 1)]
    for n in range(len(x)):
        seed = (as_ints(seeds[0])[n], as_ints(seeds[1])[n])
        expected = reference_generate(int(alpha[n]), seed, bits)
        assert as_ints(key[:, n]) == expected
        for b in (0, 1):
            assert shares[b][n] == reference_evaluate(b, seed[b], expected, int(x[n]), bits)


@pytest.mark.parametrize("bits", [5, 20])
def test_a_batch_is_its_elements_one_by_one(bits: int) -> None:
    alpha, x, *seeds = case(bits, 40)
    key = generate(alpha, *seeds, bits)
    for n in range(len(x)):
        one = slice(n, n + 1)
        np.testing.assert_array_equal(generate(alpha[one], seeds[0][one], seeds[1][one], bits), key[:, one])
        for b in (0, 1):
            assert evaluate(b, seeds[b][one], key[:, one], x[one], bits) == evaluate(b, seeds[b], key, x, bits)[n]


@pytest.mark.parametrize("block", [1, 7, 250, 999, 1000])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    alpha, x, *seeds = case(20, 1000)
    key = generate(alpha, *seeds, 20)
    shares = [evaluate(b, seeds[b], key, x, 20) for b in (0, 1)]
    monkeypatch.setattr(dcf, "_BLOCK", block)
    np.testing.assert_array_equal(generate(alpha, *seeds, 20), key)
    for b in (0, 1):
        np.testing.assert_array_equal(evaluate(b, seeds[b], key, x, 20), shares[b])


def test_more_than_a_block_and_nothing_at_all() -> None:
    alpha, x, *seeds = case(8, dcf._BLOCK + 5)
    np.testing.assert_array_equal(compared(alpha, x, *seeds, 8), x < alpha)
    assert compared(alpha[:0], x[:0], seeds[0][:0], seeds[1][:0], 8).shape == (0,)


def test_the_key_s_size() -> None:
    """16 bytes a level above the leaf's seven bits and 16 for the leaf."""
    assert [8 * key_words(bits) for bits in (1, 7, 8, 23, 63)] == [16, 16, 32, 272, 912]
    alpha, _, *seeds = case(23, 30)
    key = generate(alpha, *seeds, 23)
    assert key.shape == (17, 30, 2) and key.size == 30 * key_words(23)


def test_the_low_four_bits_of_a_seed_are_not_used() -> None:
    alpha, x, *seeds = case(20, 200)
    key = generate(alpha, *seeds, 20)
    other = [seed ^ np.array([15, 0], np.uint64) for seed in seeds]
    np.testing.assert_array_equal(generate(alpha, *other, 20), key)
    np.testing.assert_array_equal(evaluate(1, other[1], key, x, 20), evaluate(1, seeds[1], key, x, 20))


@pytest.mark.parametrize("bits", [7, 20])
def test_the_caller_s_arrays_stay_as_they_are(bits: int, tmp_path: Path) -> None:
    """A write would raise; and a key may lie in a file."""
    alpha, x, *seeds = case(bits, 100)
    for array in (alpha, x, *seeds):
        array.flags.writeable = False
    key = generate(alpha, *seeds, bits)
    before = key.copy()
    share = evaluate(0, seeds[0], key, x, bits)
    np.testing.assert_array_equal(key, before)
    key.tofile(tmp_path / "key")
    mapped = np.memmap(tmp_path / "key", np.uint64, mode="r", shape=key.shape)
    np.testing.assert_array_equal(evaluate(0, seeds[0], mapped, x, bits), share)


def test_the_prg_is_the_cipher_block_by_block() -> None:
    prg = dcf._Prg(3, 50)
    prg.seeds[:] = random_words(np.random.default_rng(0), 3, 50, 2)
    before = prg.seeds.copy()
    prg()
    np.testing.assert_array_equal(prg.seeds, before)
    assert as_ints(prg.values.reshape(-1, 2)) == [h(s) for s in as_ints(before.reshape(-1, 2))]


SAMPLES, SIGMAS = 20_000, 5


def bit_counts(words: Words) -> NDArray[np.int64]:
    """How often each of the bits is set: (..., N, 2) gives (..., 128)."""
    octets = np.ascontiguousarray(np.moveaxis(words, -2, 0)).view(np.uint8)
    return np.unpackbits(octets, axis=-1, bitorder="little").sum(0, dtype=np.int64)


def sampled(alpha: int, bits: int, seed: int) -> tuple[Words, Words, Words]:
    """The keys of SAMPLES functions with one alpha, and both parties' seeds."""
    seeds = random_words(np.random.default_rng(seed), 2, SAMPLES, 2)
    return generate(np.full(SAMPLES, alpha, np.uint64), *seeds, bits), seeds[0], seeds[1]


@pytest.mark.parametrize("alpha", [0, 2**20 - 1, 0b1010_1100_0101_1111_0011])
def test_a_key_is_uniform_whatever_alpha(alpha: int) -> None:
    """Each bit is as often 1 as 0, also beside that bit of either party's seed; a level's low three bits take all values."""
    key, *seeds = sampled(alpha, 20, seed=alpha % 97)
    assert not (key[:-1, :, 0] & np.uint64(8)).any()
    for view in (key, key ^ seeds[0], key ^ seeds[1]):
        counts = bit_counts(view)
        used = np.delete(counts[:-1], 3, axis=-1)
        assert abs(np.concatenate([used.ravel(), counts[-1]]) - SAMPLES / 2).max() < SIGMAS * (SAMPLES / 4) ** 0.5
    for low in key[:-1, :, 0] & np.uint64(7):
        eighths = np.bincount(low.astype(np.int64), minlength=8)
        assert abs(eighths - SAMPLES / 8).max() < SIGMAS * (SAMPLES * 7 / 64) ** 0.5


def test_a_key_does_not_tell_the_smallest_alpha_from_the_largest() -> None:
    counts = [bit_counts(sampled(alpha, 20, seed)[0]) for seed, alpha in enumerate((0, 2**20 - 1))]
    assert abs(counts[0] - counts[1]).max() < SIGMAS * (SAMPLES / 2) ** 0.5


@pytest.mark.parametrize("party", [0, 1])
@pytest.mark.parametrize("alpha", [0, 2**20 - 1, 99_999])
def test_a_share_is_uniform_whatever_the_answer(alpha: int, party: int) -> None:
    """At the ends, at alpha and beside it; and two shares of one key, from different leaves, are independent."""
    key, *seeds = sampled(alpha, 20, seed=party)
    shares = [
        evaluate(party, seeds[party], key, np.full(SAMPLES, x, np.uint64), 20)
        for x in (0, 2**20 - 1, alpha, max(alpha - 1, 0), (alpha + 128) % 2**20)
    ]
    for share in (*shares, shares[2] ^ shares[4]):
        assert abs(int(share.sum()) - SAMPLES / 2) < SIGMAS * (SAMPLES / 4) ** 0.5


def test_values_out_of_range_are_refused() -> None:
    alpha, x, *seeds = case(9, 20)
    key = generate(alpha, *seeds, 9)
    far = x | np.uint64(512)
    for bits, party, bad in ((9, 0, far), (9, 2, x), (10, 0, x), (64, 0, x), (9, 0, x.astype(np.int64))):
        with pytest.raises(AssertionError):
            evaluate(party, seeds[0], key, bad, bits)
    for bits, bad in ((9, far), (0, np.zeros_like(alpha)), (64, alpha), (9, alpha[:-1])):
        with pytest.raises(AssertionError):
            generate(bad, *seeds, bits)
