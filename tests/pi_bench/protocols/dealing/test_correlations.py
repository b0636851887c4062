"""What the dealer deals fits together, and neither party's part alone says anything of the other's."""

import pytest
import torch
from torch import Tensor

from pi_bench.model.arithmetic import product
from pi_bench.model.operations import Conv, Linear
from pi_bench.protocols.dealing.correlation import Correlation, Deal, sent_words
from pi_bench.protocols.dealing.products import BilinearTriple, MaskedProduct, WeightMask
from pi_bench.protocols.dealing.randomness import Stream
from pi_bench.protocols.dealing.triples import BinaryTriple, RandomBit, Triple

CONV = Conv("conv", ("x",), (5, 6, 6), weight_shape=(5, 3, 3, 3), padding=(1, 1, 1, 1))
LINEAR = Linear("linear", ("x",), (4,), weight_shape=(4, 7))
MASK = Stream(torch.tensor([9, 9])).ring(CONV.weight_shape)
KEYS = torch.tensor([1, 2]), torch.tensor([3, 4])


def dealt(correlation: Correlation, *known: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], Deal]:
    """The server's and the client's parts and what was sent, of the second of two dealings in a row."""
    dealer, server, client = [Stream(key) for key in KEYS], *[Stream(key) for key in KEYS]
    for _ in range(2):
        deal = correlation.deal(*dealer, *known)
        parts = correlation.of_server(server, deal.server), correlation.of_client(client, deal.client)
    return *parts, deal


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
    (server,), (a, client), _ = dealt(MaskedProduct(CONV, (2, 3, 6, 6)), MASK)
    assert torch.equal(product(CONV)(a, MASK), server + client)


def test_products_with_a_mask_that_was_dealt_before() -> None:
    """The client has it already, and gets its share only."""
    a = Stream(torch.tensor([7, 7])).ring((2, 3, 6, 6))
    (server,), (client,), _ = dealt(MaskedProduct(CONV, (2, 3, 6, 6), a_is_known=True), MASK, a)
    assert torch.equal(product(CONV)(a, MASK), server + client)


def test_the_mask_of_weights_is_the_servers_and_the_dealers() -> None:
    (server,), nothing, deal = dealt(WeightMask(CONV))
    assert torch.equal(server, deal.known) and nothing == () and server.shape == CONV.weight_shape


KINDS = [
    (Triple((4,)),),
    (BinaryTriple((4,)),),
    (RandomBit((4,)),),
    (BilinearTriple(CONV, (1, 3, 6, 6)),),
    (MaskedProduct(CONV, (1, 3, 6, 6)), MASK),
    (MaskedProduct(CONV, (1, 3, 6, 6), a_is_known=True), MASK, Stream(torch.tensor([7, 7])).ring((1, 3, 6, 6))),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind[0]).__name__)
def test_what_is_sent_has_the_shapes_it_says(kind: tuple) -> None:
    _, _, deal = dealt(*kind)
    assert tuple(tensor.shape for tensor in deal.server) == kind[0].server_shapes
    assert tuple(tensor.shape for tensor in deal.client) == kind[0].client_shapes
    assert sent_words(kind[:1], "server") == sum(tensor.numel() for tensor in deal.server)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind[0]).__name__)
def test_what_is_sent_to_the_server_changes_with_the_clients_key(kind: tuple) -> None:
    """It is masked by what the client alone expands; without that it would tell the server the client's part."""
    correlation, *known = kind
    sent = correlation.deal(Stream(KEYS[0]), Stream(KEYS[1]), *known).server
    others = correlation.deal(Stream(KEYS[0]), Stream(torch.tensor([5, 6])), *known).server
    assert all((one != other).all() for one, other in zip(sent, others, strict=True))
