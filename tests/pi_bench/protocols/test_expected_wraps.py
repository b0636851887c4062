"""How many truncations are expected to fail, by hand."""

import numpy as np
import pytest

from pi_bench.model.operations import Architecture, AveragePool, Concat, Conv, Linear, Model, ReLU, Reshape, Weights
from pi_bench.protocols.registry import PROTOCOLS
from pi_bench.protocols.settings import Settings

F = 16
IMAGES = np.full((1, 1, 1, 2), 4.0)
HALF, OTHER = (np.packbits(np.array(mask, bool)).tobytes() for mask in ((1, 0), (0, 1)))


def model(*operations: Conv | Linear | ReLU | AveragePool | Concat | Reshape) -> Model:
    """Every weight is 2."""
    linear = [operation for operation in operations if isinstance(operation, Conv | Linear)]
    weights = {operation.name: Weights(np.full(operation.weight_shape, 2.0), None) for operation in linear}
    return Model(Architecture("x", (1, 1, 2), operations), weights)


CONV = Conv("conv", ("x",), (1, 1, 2), weight_shape=(1, 1, 1, 1))


def expected(found: Model, protocol: str, images: int = 1) -> float:
    repeated = np.repeat(IMAGES, images, 0)
    return PROTOCOLS[protocol].expected_wraps(found, repeated, Settings(protocol, precision_bits=F))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_product_and_a_pool(protocol: str) -> None:
    """Two elements of 8 with 2 f bits; then one sum of 16 with f bits."""
    pool = AveragePool("pool", ("conv",), (1, 1, 1), kernel=(1, 2), stride=(1, 2))
    found = model(CONV, pool)
    by_hand = 2 * 8 * 2.0 ** (2 * F - 64) + 16 * 2.0 ** (F - 64)
    assert expected(found, protocol) == pytest.approx(by_hand)
    assert expected(found, protocol, images=3) == pytest.approx(3 * by_hand)


def test_what_a_comparison_truncates_does_not_fail() -> None:
    """Of two elements one is kept: in one-trip the other one alone is at risk, in crypten both."""
    found = model(CONV, ReLU("relu", ("conv",), (1, 1, 2), packed=HALF))
    assert expected(found, "one-trip") == pytest.approx(8 * 2.0 ** (2 * F - 64))
    assert expected(found, "crypten") == pytest.approx(2 * 8 * 2.0 ** (2 * F - 64))
    assert expected(model(CONV, ReLU("relu", ("conv",), (1, 1, 2))), "one-trip") == 0


def test_two_sites_that_read_one_value_truncate_it_each_for_itself() -> None:
    relus = [ReLU(name, ("conv",), (1, 1, 2), packed=mask) for name, mask in (("a", HALF), ("b", OTHER))]
    found = model(CONV, *relus, Concat("join", ("a", "b"), (2, 1, 2), axis=0))
    assert expected(found, "one-trip") == pytest.approx(2 * 8 * 2.0 ** (2 * F - 64))


def test_a_value_that_two_products_read_is_truncated_once() -> None:
    convs = [Conv(name, ("conv",), (1, 1, 2), weight_shape=(1, 1, 1, 1)) for name in ("a", "b")]
    found = model(CONV, *convs, Concat("join", ("a", "b"), (2, 1, 2), axis=0))
    once, twice = (2 * value * 2.0 ** (2 * F - 64) for value in (8, 16))
    assert expected(found, "one-trip") == pytest.approx(once + 2 * twice)
