"""What the dealer deals fits together, and neither party's part alone says anything of the other's."""

import pytest
import torch
from torch import Tensor

from pi_bench.model.operations import Conv, Linear
from pi_bench.protocols.correlations import BilinearTriple, BinaryTriple, Correlation, MaskedProduct, RandomBit, Triple
from pi_bench.protocols.randomness import Stream
from pi_bench.protocols.ring import product

CONV = Conv("conv", ("x",), (5, 6, 6), weight_shape=(5, 3, 3, 3), padding=(1, 1, 1, 1))
LINEAR = Linear("linear", ("x",), (4,), weight_shape=(4, 7))
MASK = Stream(torch.tensor([9, 9])).ring(CONV.weight_shape)
KEYS = torch.tensor([1, 2]), torch.tensor([3, 4])


def dealt(correlation: Correlation) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Tensor]:
    """The server's and the client's parts and the correction, of the second of two dealings in a row."""
    dealer, server, client = [Stream(key) for key in KEYS], *[Stream(key) for key in KEYS]
    for _ in range(2):
        correction = correlation.deal(*dealer, {"conv": MASK})
        parts = correlation.expand(server, correction), correlation.expand(client, None)
    return *parts, correction


@pytest.mark.parametrize("shape", [(6,), (2, 1, 5)])
def test_triples(shape: tuple[int, ...]) -> None:
    (a, b, c), (other_a, other_b, other_c), _ = dealt(Triple(shape))
    assert torch.equal((a + other_a) * (b + other_b), c + other_c)
    (a, b, c), (other_a, other_b, other_c), _ = dealt(BinaryTriple(shape))
    assert torch.equal((a ^ other_a) & (b ^ other_b), c ^ other_c)


def test_random_bits() -> None:
    (arithmetic, xor), (other_arithmetic, other_xor), _ = dealt(RandomBit((1000,)))
    bits = arithmetic + other_arithmetic
    assert torch.equal(bits, xor ^ other_xor) and 400 < bits.sum() < 600


@pytest.mark.parametrize(("operation", "shape"), [(CONV, (2, 3, 6, 6)), (LINEAR, (2, 7))])
def test_products_of_two_random_tensors(operation: Conv | Linear, shape: tuple[int, ...]) -> None:
    (a, b, c), (other_a, other_b, other_c), _ = dealt(BilinearTriple(operation, shape))
    assert torch.equal(product(operation)(a + other_a, b + other_b), c + other_c)


def test_products_with_the_mask_of_the_weights() -> None:
    (server,), (a, client), _ = dealt(MaskedProduct(CONV, (2, 3, 6, 6)))
    assert torch.equal(product(CONV)(a, MASK), server + client)


KINDS = [
    Triple((4,)),
    BinaryTriple((4,)),
    RandomBit((4,)),
    BilinearTriple(CONV, (1, 3, 6, 6)),
    MaskedProduct(CONV, (1, 3, 6, 6)),
]


@pytest.mark.parametrize("correlation", KINDS, ids=lambda kind: type(kind).__name__)
def test_the_correction_has_the_shape_it_says(correlation: Correlation) -> None:
    _, _, correction = dealt(correlation)
    assert correction.shape == correlation.correction_shape
    assert correction.numel() * 8 == correlation.correction_bytes


@pytest.mark.parametrize("correlation", KINDS, ids=lambda kind: type(kind).__name__)
def test_a_correction_changes_with_the_clients_key(correlation: Correlation) -> None:
    """It is masked by what the client alone expands; without that it would tell the server the client's part."""
    correction = correlation.deal(Stream(KEYS[0]), Stream(KEYS[1]), {"conv": MASK})
    other = correlation.deal(Stream(KEYS[0]), Stream(torch.tensor([5, 6])), {"conv": MASK})
    assert (correction != other).all()
