"""A dealt comparison and both parties' arithmetic, without any process: together they are the ReLU of integers."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from pi_bench.protocols.dealing.comparison import Comparison, words
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.one_trip.gate import Gate

SHIFTS = (0, 1, 12, 16)
CASES = [(shift, bits) for shift in SHIFTS for bits in (3, 8, 9, 23, 40, 64 - shift)]
FARTHEST = 2**61 - 1  # up to there a truncation does not wrap
COUNT = 20_000


@dataclass(frozen=True)
class Opened:
    """What the gate gives for N elements: z_0 + z_1 (int64), the masked sign d', y, and by party the answers and q."""

    result: np.ndarray
    sign: np.ndarray
    y: np.ndarray
    answers: tuple[np.ndarray, ...]
    q: tuple[np.ndarray, ...]


def gate(values: np.ndarray, shift: int, bits: int) -> Opened:
    """Deals for int64 values (N,), and does what the server (0) and the client (1) do."""
    comparison, arithmetic = Comparison(len(values), shift, bits), Gate(shift, bits)
    keys = torch.tensor([1, shift]), torch.tensor([2, bits])
    deal = comparison.deal(*map(Stream, keys))
    tensors = comparison.of_server(Stream(keys[0]), deal.server), comparison.of_client(Stream(keys[1]), deal.client)
    parts = [tuple(map(words, of_party)) for of_party in tensors]
    y = values.view(np.uint64) + parts[0][0] + parts[1][0]
    answers = tuple(arithmetic.answer(party, y, seeds, key, q) for party, (_, q, seeds, key, _) in enumerate(parts))
    sign = arithmetic.masked_sign(y, answers[0] ^ answers[1])
    shares = [arithmetic.share(party, y, sign, r, of_all) for party, (r, *_, of_all) in enumerate(parts)]
    return Opened((shares[0] + shares[1]).view(np.int64), sign, y, answers, tuple(part[1] for part in parts))


def in_range(shift: int, bits: int, rng: np.random.Generator) -> np.ndarray:
    """Values (N,) that a comparison of so many bits is for: at the ends, around zero, and anywhere between."""
    most = min(2 ** (bits - 1) - 2, FARTHEST >> shift)  # of |v >> shift|
    near = min(most, 3)
    units = np.concatenate(
        [
            np.repeat([most, most - 1, -most, 1 - most], 250),
            rng.integers(-near, near, 1000, endpoint=True),
            rng.integers(-most, most, 1000, endpoint=True),
            np.round(rng.choice([-1, 1], 1000) * 2.0 ** rng.uniform(0, np.log2(most), 1000)).astype(np.int64),
        ]
    ).clip(-most, most)
    fractions = rng.integers(0, 2**shift, len(units))
    fractions[::5], fractions[1::5] = 0, 2**shift - 1
    return (units << shift) + fractions


@pytest.mark.parametrize(("shift", "bits"), CASES)
def test_it_is_the_relu_of_integers_or_one_unit_above_it(shift: int, bits: int) -> None:
    """The unit is the carry of what is cut off: none without a truncation."""
    values = in_range(shift, bits, np.random.default_rng(bits))
    above = gate(values, shift, bits).result - np.maximum(values >> shift, 0)
    assert set(np.unique(above)) == ({0, 1} if shift else {0})


@pytest.mark.parametrize("shift", SHIFTS)
def test_what_is_negative_gives_exactly_zero(shift: int) -> None:
    """Also between -1 unit and 0, where the truncated value may be either of them."""
    values = -np.random.default_rng(shift).integers(1, 4 << shift, 3000)
    assert not gate(values, shift, 10).result.any()


@pytest.mark.parametrize("shift", SHIFTS)
def test_whole_units_are_exact(shift: int) -> None:
    """Nothing is cut off, so nothing is carried."""
    units = np.random.default_rng(shift).integers(-(2**20), 2**20, 3000)
    np.testing.assert_array_equal(gate(units << shift, shift, 23).result, np.maximum(units, 0))


@pytest.mark.parametrize("shift", SHIFTS[1:])
@pytest.mark.parametrize("value", [FARTHEST, -FARTHEST])
def test_a_truncation_never_wraps(shift: int, value: int) -> None:
    """A truncation by each party alone would, for one value of eight of this size."""
    above = gate(np.full(COUNT, value), shift, 64 - shift).result - max(value >> shift, 0)
    assert set(np.unique(above)) <= {0, 1}


@pytest.mark.parametrize("shift", SHIFTS[1:])
def test_it_is_right_on_average(shift: int) -> None:
    """The carry comes as often as the fraction says, near zero and far away."""
    for largest in (2**8, 2**20):
        values = np.random.default_rng(shift).integers(0, largest << shift, COUNT)
        assert abs((gate(values, shift, 23).result - values / 2**shift).mean()) < 0.02
    assert abs((gate(np.full(COUNT, 11 << shift - 1), shift, 23).result - 5.5).mean()) < 0.02


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("bits", [8, 23])
def test_values_out_of_range_do_go_wrong(shift: int, bits: int) -> None:
    """By all that they are; and with the carry already the first value that is out of range."""
    for units in (2 ** (bits - 1), 3 * 2 ** (bits - 2)):
        assert not gate(np.full(1000, units << shift), shift, bits).result.any()
        assert (gate(np.full(1000, -(units + 1) << shift), shift, bits).result < 0).all()
    first = np.full(1000, (2 ** (bits - 1) << shift) - 1)
    wrong = gate(first, shift, bits).result == 0
    assert wrong.mean() > 0.4 if shift else not wrong.any()


@pytest.mark.parametrize("value", [0, 1, -1, 2**16, -(2**16), 2**30, -(2**30), 2**37, -(2**37)])
def test_what_is_opened_is_a_fair_bit_whatever_the_value(value: int) -> None:
    """Alone, and beside what either party knows: the ends of y, its own answer, its own part of the bit's mask."""
    found = gate(np.full(COUNT, value), 16, 23)
    known = [found.y >> np.uint64(63), found.y >> np.uint64(16 + 22) & np.uint64(1), found.y & np.uint64(1)]
    for bit in (np.zeros_like(found.y), *known, *found.answers, *found.q):
        seen = found.sign ^ bit.astype(bool)
        assert abs(seen.mean() - 0.5) < 5 * 0.5 / COUNT**0.5
    for answers in found.answers:
        assert abs(answers.mean() - 0.5) < 5 * 0.5 / COUNT**0.5
