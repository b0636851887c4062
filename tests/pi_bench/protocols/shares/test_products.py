"""Products over Z / 2^64 equal torch's own int64 products, bit by bit."""

import pytest
import torch

from pi_bench.model.arithmetic import product
from pi_bench.model.operations import Conv, Linear
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.shares.products import SmallWeight, limbs, multiply

STREAM = Stream(torch.tensor([1, 2]))
SHAPES = {
    "image": ((2, 3, 9, 9), (8, 3, 3, 3), {}),
    "deep, so that sums are cut": ((1, 512, 4, 4), (4, 512, 3, 3), {}),
    "strided, uneven padding": ((2, 4, 8, 8), (6, 4, 3, 3), {"stride": (2, 1), "padding": (0, 1, 2, 1)}),
    "dilated": ((1, 4, 8, 8), (6, 4, 3, 3), {"dilation": (2, 2), "padding": (2, 2, 2, 2)}),
    "depthwise": ((2, 8, 5, 5), (8, 1, 3, 3), {"groups": 8}),
    "wide groups": ((1, 1024, 3, 3), (4, 512, 3, 3), {"groups": 2}),
}


def conv(weight_shape: tuple[int, ...], **fields: object) -> Conv:
    return Conv("conv", ("x",), (), weight_shape=weight_shape, **fields)


@pytest.mark.parametrize("name", SHAPES)
def test_convolutions(name: str) -> None:
    input_shape, weight_shape, fields = SHAPES[name]
    operation, x, weight = conv(weight_shape, **fields), STREAM.ring(input_shape), STREAM.ring(weight_shape)
    assert torch.equal(multiply(operation, x, weight), product(operation)(x, weight))


@pytest.mark.parametrize("bits", [1, 12, 18, 25, 30])
@pytest.mark.parametrize("name", SHAPES)
def test_convolutions_by_small_weights(name: str, bits: int) -> None:
    input_shape, weight_shape, fields = SHAPES[name]
    operation, x, weight = conv(weight_shape, **fields), STREAM.ring(input_shape), STREAM.ring(weight_shape) >> (64 - bits)
    assert torch.equal(SmallWeight(operation, weight).times(x), product(operation)(x, weight))


def test_the_largest_sums_a_small_weight_can_make() -> None:
    """All limbs at their extreme, all weights of one sign: nothing is rounded."""
    weight = torch.full((1, 512, 3, 3), 2**20 - 1)
    x = torch.full((1, 512, 3, 3), -(2**63) + 2**31 + 2**21)
    operation = conv(tuple(weight.shape))
    assert torch.equal(SmallWeight(operation, weight).times(x), product(operation)(x, weight))


def test_matrices() -> None:
    x, weight = STREAM.ring((2, 5000)), STREAM.ring((10, 5000))
    operation = Linear("linear", ("x",), (10,), weight_shape=(10, 5000))
    assert torch.equal(multiply(operation, x, weight), x @ weight.t())
    assert torch.equal(SmallWeight(operation, weight >> 40).times(x), x @ (weight >> 40).t())


def test_weights_too_large_for_the_range() -> None:
    with pytest.raises(ValueError, match=r"conv.*--precision-bits"):
        SmallWeight(conv((1, 1, 1, 1)), torch.full((1, 1, 1, 1), 2**50))


@pytest.mark.parametrize("bits", [8, 16, 22, 32])
def test_limbs_are_small_and_add_up(bits: int) -> None:
    x = torch.cat([STREAM.ring((1000,)), torch.tensor([0, 1, -1, 2**63 - 1, -(2**63), 2**31, -(2**31), 2**31 - 1])])
    found = limbs(x, bits)
    assert all(limb.abs().max() <= 2 ** (bits - 1) for limb in found)
    assert torch.equal(sum(limb.long() << (bits * place) for place, limb in enumerate(found)), x)
