r"""From a comparison key to a truncated ReLU, exactly: the arithmetic of both parties, on uint64 (N,) modulo 2^64.

v is the value before its truncation by `shift` bits, y = v + r is opened. With R = r >> shift, T = (y + 2^62) >> shift, M =
msb(r) 2^(64 - shift), all logical, A = T - 2^(62 - shift), p = msb(y + 2^62) and k = `bits`:

    c  = [(y >> shift) mod 2^(k - 1) < R mod 2^(k - 1)]                                        the borrow of the low bits
    d  = 1 ^ bit_(k - 1)(y >> shift) ^ bit_(k - 1)(R) ^ c                                      1 where v >= 0
    d' = d ^ s, with a dealt random bit s, may be opened;  d = d' + (1 - 2 d') s
    relu(v >> shift) = d (A - R + (1 - p) M)

The result is that, or one unit more (the carry of the low bits, which makes it right on average). It never wraps while
|v| < 2^61, and is right while |v >> shift| < 2^(k - 1) - 1.
"""

from dataclasses import dataclass

import numpy as np

from pi_bench.protocols.dealing import dcf

_ONE, _SIGN_BIT = np.uint64(1), np.uint64(63)
_HALF = np.uint64(2**62)
Words = np.ndarray


@dataclass(frozen=True)
class Gate:
    """shift: the bits that are cut off; bits: k, of what is left, with its sign."""

    shift: int
    bits: int

    def answer(self, party: int, opened: Words, seeds: Words, key: Words, q: Words) -> Words:
        """A party's XOR share of the answer but for public bits, uint8 (N,): c_b ^ q_b. party: 0 is the server."""
        low = (opened >> np.uint64(self.shift)) & np.uint64(2 ** (self.bits - 1) - 1)
        return dcf.evaluate(party, seeds, key, low, self.bits - 1) ^ q.astype(np.uint8)

    def masked_sign(self, opened: Words, answers: Words) -> Words:
        """d' (bool, N): 1 ^ bit_(k - 1)(y >> shift) ^ the XOR of both parties' answers."""
        sign = (opened >> np.uint64(self.shift + self.bits - 1)) & _ONE
        return (sign ^ answers) == 0

    def share(self, party: int, opened: Words, sign: Words, r: Words, shares: Words) -> Words:
        """A party's additive share of relu(v >> shift). r: its share of r; shares: of s, s R and, with a shift, R, M, s M."""
        moved = opened + _HALF
        public = (moved >> np.uint64(self.shift)) - np.uint64(2 ** (62 - self.shift))  # A
        s, s_high, *rest = shares
        high, scaled = (rest[0] if rest else r), s * public
        scaled -= s_high
        plain = np.negative(high)
        if party == 0:
            plain += public
        if rest:
            wrapped = (moved >> _SIGN_BIT) ^ _ONE  # 1 - p
            plain += wrapped * rest[1]
            scaled += wrapped * rest[2]
        return np.where(sign, plain - scaled, scaled)
