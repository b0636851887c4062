"""Distributed comparison functions in batches: f_alpha(x) = [x < alpha], XOR-shared between two parties who each hold a key.

Boyle et al. 2021, "Function secret sharing for mixed-mode and fixed-point secure computation" (BGI+21), with output group Z_2
and early termination: the last seven bits of x are looked up in one 128-bit leaf. N elements, B elements of a block of them; a
block of AES is two 64-bit words, read as one little-endian number, so that bit j of a leaf is bit j mod 64 of its word j // 64.

PRG    H(s) = AES_k(s) xor s (Matyas-Meyer-Oseas); k is fixed and public, the ASCII of a name with nothing up its sleeve.
seed   124 bits: the low four are zero, and a tweak xored into them chooses H(s ^ LEFT), H(s ^ RIGHT) or H(s ^ LEAF).
child  bit 0 of H is the control bit t, bit 1 the value bit v; the rest, its low four bits cleared, is the child's seed.
key    16 bytes a level: s_CW with t_CW^L in bit 0, v_CW in bit 1 and t_CW^R in bit 2; then the leaf's 16 bytes.
"""

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES128
from cryptography.hazmat.primitives.ciphers.modes import ECB
from numpy.typing import NDArray

LEAF_BITS = 7
_AES_KEY = b"rlnet/dcf/public"
_LEAF, _RIGHT = np.uint64(1), np.uint64(2)  # LEFT is 0. RIGHT is also how far t_CW^R lies above t_CW^L, and the place of v
_T, _V = np.uint64(1), np.uint64(2)
_ALL = ~np.uint64(0)
_SEED = ~np.uint64(15)
_BLOCK = 16384  # elements; measured: NumPy's calls weigh on shorter blocks, longer ones gain nothing more

Words = NDArray[np.uint64]


def key_words(bits: int) -> int:
    """64-bit words of one element's key: two a level and two for the leaf."""
    return 2 * (_levels(bits) + 1)


def generate(alpha: Words, seeds_0: Words, seeds_1: Words, bits: int) -> Words:
    """The key of f_alpha, the same for both parties, who differ in their seeds alone (BGI+21, Gen).

    alpha: (N,) in [0, 2^bits); seeds_0, seeds_1: (N, 2), uniform; the low four bits are not used. Returns (levels + 1, N, 2).

    For the bits i of alpha from the top one down to bit 7, with t_0 = 0, t_1 = 1 and V = 0:
      1. (s_b^Keep, t_b^Keep, v_b^Keep), (s_b^Lose, t_b^Lose, v_b^Lose) = children of s_b,  Keep = R if alpha_i else L
      2. s_CW = s_0^Lose ^ s_1^Lose,  v_CW = v_0^Lose ^ v_1^Lose ^ V ^ alpha_i,
         t_CW^Keep = t_0^Keep ^ t_1^Keep ^ 1,  t_CW^Lose = t_0^Lose ^ t_1^Lose     (t_CW^L and t_CW^R of BGI+21, named by Keep)
      3. (s_b, t_b, v_b) = (s_b^Keep, t_b^Keep, v_b^Keep) ^ t_b (s_CW, t_CW^Keep, v_CW)
      4. V ^= v_0 ^ v_1                                                        (= v_0^Keep ^ v_1^Keep ^ v_CW, as t_0 ^ t_1 = 1)
    Then
      5. CW = H(s_0 ^ LEAF) ^ H(s_1 ^ LEAF) ^ [j < alpha mod 128, j = 0 .. 127] ^ V on all 128 bits
    """
    assert 1 <= bits <= 63 and alpha.dtype == np.uint64 and not (alpha >> np.uint64(bits)).any()
    assert seeds_0.dtype == seeds_1.dtype == np.uint64 and seeds_0.shape == seeds_1.shape == (*alpha.shape, 2)
    key = np.empty((_levels(bits) + 1, len(alpha), 2), np.uint64)
    for block in _blocks(len(alpha)):
        _generate_block(alpha[block], np.stack([seeds_0[block], seeds_1[block]]), bits, key[:, block])
    return key


def evaluate(party: int, seeds: Words, key: Words, x: Words, bits: int) -> NDArray[np.uint8]:
    """A party's share of [x < alpha] (BGI+21, Eval): the XOR of both parties' is the bit.

    party: 0 or 1; seeds: the party's (N, 2); key: (levels + 1, N, 2), only read; x: (N,) in [0, 2^bits). Returns 0 or 1, (N,).

    For the bits i of x from the top one down to bit 7, with t = party, V = 0 and Side = R if x_i else L:
      1. (s^Side, t^Side, v^Side) = H(s ^ Side)
      2. (s, t, v) = (s^Side, t^Side, v^Side) ^ t (s_CW, t_CW^Side, v_CW)
      3. V ^= v
    Then
      4. V ^= bit (x mod 128) of H(s ^ LEAF) ^ t CW
    """
    assert party in (0, 1) and 1 <= bits <= 63 and x.dtype == np.uint64 and not (x >> np.uint64(bits)).any()
    assert seeds.dtype == np.uint64 and seeds.shape == (*x.shape, 2)
    assert key.dtype == np.uint64 and key.shape == (_levels(bits) + 1, *x.shape, 2)
    share = np.empty(len(x), np.uint8)
    for block in _blocks(len(x)):
        share[block] = _evaluate_block(party, seeds[block], key[:, block], x[block], bits)
    return share


def _levels(bits: int) -> int:
    return max(0, bits - LEAF_BITS)


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]


class _Prg:
    """H on a whole array: `seeds` is filled by the caller, a call puts H of each into `values`. Both are (..., 2)."""

    def __init__(self, *shape: int):
        self.seeds = np.empty((*shape, 2), np.uint64)
        room = np.empty(self.seeds.nbytes + 15, np.uint8)  # the cipher wants room for a block more
        self.values = room[:-15].view(np.uint64).reshape(self.seeds.shape)
        self._in, self._out = memoryview(self.seeds.reshape(-1).view(np.uint8)), memoryview(room)
        self._encryptor = Cipher(AES128(_AES_KEY), ECB()).encryptor()

    def __call__(self) -> None:
        self._encryptor.update_into(self._in, self._out)
        np.bitwise_xor(self.values, self.seeds, out=self.values)


def _seed_bits(count: int) -> Words:
    """A mask that keeps the seeds of (count, 2) words. A whole array of it is quicker than broadcasting along two words."""
    mask = np.empty((count, 2), np.uint64)
    mask[:, 0], mask[:, 1] = _SEED, _ALL
    return mask


def _evaluate_block(party: int, seeds: Words, key: Words, x: Words, bits: int) -> Words:
    """`evaluate` on B elements. `cw` holds t on all bits, then t times the correction; bit 1 of `v` is V, the rest noise."""
    prg, seed_bits, cw = _Prg(len(x)), _seed_bits(len(x)), np.full((len(x), 2), _ALL if party else ~_ALL)
    s, h = prg.seeds, prg.values
    s_low, h_low, cw_low = s[:, 0], h[:, 0], cw[:, 0]
    side, t, v = np.empty_like(x), np.empty_like(x), np.zeros_like(x)
    np.bitwise_and(seeds, seed_bits, out=s)
    for i, level_key in zip(range(bits - 1, LEAF_BITS - 1, -1), key, strict=False):
        np.right_shift(x, np.uint64(i - 1), out=side)  # 1. x_i where RIGHT has its bit
        side &= _RIGHT
        s_low ^= side
        prg()
        cw &= level_key  # 2. the corrected t first, t_CW^Side brought to bit 0
        np.right_shift(cw_low, side, out=t)
        t ^= h_low
        t &= _T
        h ^= cw
        v ^= h_low  # 3.
        np.bitwise_and(h, seed_bits, out=s)
        np.negative(t, out=cw_low)
        cw[:, 1] = cw_low
    s_low ^= _LEAF  # 4.
    prg()
    cw &= key[-1]
    h ^= cw
    word = np.where(x & np.uint64(64), h[:, 1], h_low)
    return ((word >> (x & np.uint64(63))) ^ (v >> np.uint64(1))) & np.uint64(1)


def _generate_block(alpha: Words, seeds: Words, bits: int, key: Words) -> None:
    """`generate` on B elements: seeds (2, B, 2), of party 0 and 1, give the key (levels + 1, B, 2)."""
    prg, seed_bits = _Prg(2, 2, len(alpha)), _seed_bits(len(alpha))  # party, child (0 kept, 1 lost), element
    s, h = prg.seeds, prg.values[:, 0]
    t, v, kept = np.empty_like(seeds), np.zeros_like(alpha), np.empty_like(alpha)
    t[0], t[1] = ~_ALL, _ALL
    np.bitwise_and(seeds, seed_bits, out=s[:, 0])
    for i, level_key in zip(range(bits - 1, LEAF_BITS - 1, -1), key, strict=False):
        np.right_shift(alpha, np.uint64(i - 1), out=kept)  # 1. RIGHT where alpha_i, else LEFT
        kept &= _RIGHT
        s[:, 1] = s[:, 0]
        s[:, 0, :, 0] ^= kept
        s[:, 1, :, 0] ^= kept ^ _RIGHT
        prg()
        correction = _correct(prg.values[0] ^ prg.values[1], seed_bits, kept, v, level_key)  # 2.
        t &= correction  # 3.
        h ^= t
        v ^= h[0, :, 0] ^ h[1, :, 0]  # 4.
        np.bitwise_and(h, seed_bits, out=s[:, 0])
        np.negative(h[:, :, 0] & _T, out=t[:, :, 0])
        t[:, :, 1] = t[:, :, 0]
    key[-1] = _leaf(s[:, 0], alpha, v)  # 5.


def _correct(children: Words, seed_bits: Words, kept: Words, v: Words, level_key: Words) -> Words:
    """A level's correction, step 2 of `generate`, written into `level_key` (B, 2) in the key's form.

    children: the XOR of both parties' (kept or lost, B, 2); kept: the kept child's tweak; v: V in bit 1.
    Returns what corrects the kept child (B, 2): s_CW with t_CW^Keep in the place of t and v_CW in the place of v.
    """
    low_kept, low_lost = children[0, :, 0], children[1, :, 0]
    v_cw = (low_lost ^ v ^ kept) & _V
    t_kept, t_lost = ~low_kept & _T, low_lost & _T
    np.bitwise_and(children[1], seed_bits, out=level_key)
    level_key[:, 0] |= v_cw
    correction = level_key.copy()
    correction[:, 0] |= t_kept
    level_key[:, 0] |= (t_kept << kept) | (t_lost << (kept ^ _RIGHT))
    return correction


def _leaf(seeds: Words, alpha: Words, v: Words) -> Words:
    """The leaf's correction, step 5 of `generate`, from both parties' seeds (2, B, 2) and V in bit 1 of `v`. Returns (B, 2)."""
    prg = _Prg(*seeds.shape[:2])
    prg.seeds[:] = seeds
    prg.seeds[:, :, 0] ^= _LEAF
    prg()
    word, rest = np.uint64(64), alpha & np.uint64(127)
    all_v = np.negative((v & _V) >> np.uint64(1))
    leaf = prg.values[0] ^ prg.values[1]
    leaf[:, 0] ^= all_v ^ ~(_ALL << np.minimum(rest, word))
    leaf[:, 1] ^= all_v ^ ~(_ALL << (np.maximum(rest, word) - word))
    return leaf
