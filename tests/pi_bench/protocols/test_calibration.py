"""How many bits comparisons read: by hand on a tiny network, and what a server cannot have chosen."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pi_bench.model.operations import Architecture, Conv, Model, ReLU, Weights
from pi_bench.protocols.calibration import calibrated, comparison_bits
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.protocols.settings import Settings

ARCHITECTURE = Architecture(
    "image",
    (1, 1, 3),
    (
        ReLU("first", ("image",), (1, 1, 3)),
        Conv("quadruple", ("first",), (1, 1, 3), weight_shape=(1, 1, 1, 1)),
        ReLU("second", ("quadruple",), (1, 1, 3), packed=b"\x40"),
    ),
)
SIXTEEN = Settings("one-trip", precision_bits=16)
MODEL = Model(ARCHITECTURE, {"quadruple": Weights(np.full((1, 1, 1, 1), 4.0), None)})


def images(*values: float) -> np.ndarray:
    """One image for each: it has the value in the middle."""
    found = np.zeros((len(values), 1, 1, 3))
    found[:, 0, 0, 1] = values
    return found


def least_bits(largest: float, precision_bits: int) -> int:
    """By trying one after the other, in exact arithmetic."""
    k = 8
    while k < 64 - precision_bits and not 8 * Fraction(largest) * 2**precision_bits < 2 ** (k - 1) - 1:
        k += 1
    return k


def test_by_hand() -> None:
    """8 * 1.5 is 12, below 2^20 / 2^16; four times that is 48, below 2^22 / 2^16. Only the first sees what is negative."""
    assert comparison_bits(MODEL, images(0.5, 1.5, 1.0), 16) == {"first": 21, "second": 23}
    assert comparison_bits(MODEL, images(0.5, -1.9, 0.2), 16) == {"first": 21, "second": 22}


@pytest.mark.parametrize("precision_bits", [1, 12, 16, 30])
@pytest.mark.parametrize("largest", [0.001, 0.2, 1.0, 3.7, 900.0])
def test_it_is_the_least_that_holds_eight_times_the_largest_value(largest: float, precision_bits: int) -> None:
    found = comparison_bits(MODEL, images(largest, 0.7 * largest), precision_bits)
    assert found == {"first": least_bits(largest, precision_bits), "second": least_bits(4 * largest, precision_bits)}


@pytest.mark.parametrize("off", [-2.5, -2.0, -1.5, -1.0, -0.5, 0.0])
@pytest.mark.parametrize("power", [10, 20, 30])
def test_it_is_the_least_where_powers_of_two_end(power: int, off: float) -> None:
    """8 * largest * 2^16 is a little less than a power of two."""
    largest = (2**power + off) / 2**19
    assert comparison_bits(MODEL, images(largest), 16)["first"] == least_bits(largest, 16)


@pytest.mark.parametrize("precision_bits", [1, 16, 30])
def test_it_ends_where_keys_get_no_smaller_and_where_there_are_no_bits_left(precision_bits: int) -> None:
    assert comparison_bits(MODEL, images(0.0), precision_bits)["first"] == 8
    assert comparison_bits(MODEL, images(2.0**62), precision_bits)["first"] == 64 - precision_bits


def test_settings_get_bits_where_nobody_has_chosen_them_and_the_protocol_reads_them() -> None:
    bits = {"first": 21, "second": 23}
    found = calibrated(SIXTEEN, MODEL, images(1.5))
    assert found.site_bits == bits and {site: found.bits_of(site) for site in bits} == bits
    for chosen in (
        replace(SIXTEEN, comparison_bits=30),
        replace(SIXTEEN, protocol="crypten"),
        replace(SIXTEEN, protocol="crypten-plain"),
    ):
        assert calibrated(chosen, MODEL, images(1.5)) == chosen
    assert replace(SIXTEEN, comparison_bits=30).bits_of("first") == 30 and SIXTEEN.bits_of("first") == 48


SITES = ("first", "second")


@pytest.mark.parametrize("bits", [{}, {"first": 8}, {"first": 48, "second": 9}], ids=str)
def test_what_a_server_may_have_chosen(bits: dict[str, int]) -> None:
    assert SIXTEEN.with_site_bits(bits, SITES) == replace(SIXTEEN, site_bits=bits)


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        ({"third": 20}, "other sites"),
        ({"first": 20, "third": 20}, "other sites"),
        ({"first": 7}, "from 8 to 48, and not {'first': 7}"),
        ({"first": 49}, "49"),
        ({"first": 65}, "65"),
        ({"first": -20}, "-20"),
        ({"first": 20, "second": True}, "{'second': True}"),
        ({"first": "20"}, "{'first': '20'}"),
        ({"first": 20.0}, "20.0"),
        ({"first": None}, "None"),
        ([["first", 20]], "other sites"),
        (None, "other sites"),
        (20, "other sites"),
    ],
    ids=str,
)
def test_what_a_server_cannot_have_chosen(bits: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SIXTEEN.with_site_bits(bits, SITES)


def test_what_a_comparison_truncates_is_in_range_below_2_to_the_61_at_most() -> None:
    """However many bits it reads; where nothing is cut off, they alone count."""
    operations = (
        Conv("conv", ("x",), (1, 1, 2), weight_shape=(1, 1, 1, 1)),
        ReLU("cut", ("conv",), (1, 1, 2)),
        ReLU("again", ("cut",), (1, 1, 2)),
    )
    architecture = Architecture("x", (1, 1, 2), operations)
    found = PROTOCOLS["one-trip"].comparisons(architecture, Settings("one-trip", precision_bits=13))
    assert found == {"cut": (51, 2**61), "again": (51, 2**50 - 1)}
    found = PROTOCOLS["one-trip"].comparisons(architecture, Settings("one-trip", precision_bits=13, comparison_bits=20))
    assert found == {"cut": (20, (2**19 - 1) << 13), "again": (20, 2**19 - 1)}


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_what_is_not_finite_chooses_no_bits(value: float) -> None:
    weights = {"quadruple": Weights(np.full((1, 1, 1, 1), value), None)}
    with pytest.raises(ValueError, match="what the ReLU 'second' gets is NaN or infinite for a calibration image"):
        calibrated(SIXTEEN, Model(ARCHITECTURE, weights), images(1.0))
