"""What a ReLU in one round trip is dealt: both parties' parts fit together, and each hides the other's."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pi_bench.protocols.dealing import dcf
from pi_bench.protocols.dealing.comparison import Comparison, tensor, words
from pi_bench.protocols.dealing.correlation import Deal, Tensors, sent_words
from pi_bench.protocols.dealing.randomness import Stream

SERVER, CLIENT, OTHER = torch.tensor([1, 2]), torch.tensor([3, 4]), torch.tensor([5, 6])
N = 2000
CASES = [Comparison(N, shift, bits) for shift, bits in ((0, 8), (0, 64), (1, 63), (12, 23), (16, 8), (16, 48))]

by_case = pytest.mark.parametrize("comparison", CASES, ids=lambda each: f"shift {each.shift}, {each.bits} bits")


def dealt(comparison: Comparison, server: Tensor = SERVER, client: Tensor = CLIENT) -> tuple[Tensors, Tensors, Deal]:
    """The server's and the client's parts and what was sent, of the second of two dealings in a row."""
    dealer, own = (Stream(server), Stream(client)), (Stream(server), Stream(client))
    for _ in range(2):
        deal = comparison.deal(*dealer)
        parts = comparison.of_server(own[0], deal.server), comparison.of_client(own[1], deal.client)
    return *parts, deal


def opening_mask(server: Tensors, client: Tensors) -> np.ndarray:
    """r."""
    return words(server[0]) + words(client[0])


@by_case
def test_what_is_sent_has_the_shapes_it_says(comparison: Comparison) -> None:
    *_, deal = dealt(comparison)
    assert tuple(each.shape for each in deal.server) == comparison.server_shapes
    assert tuple(each.shape for each in deal.client) == comparison.client_shapes
    assert all(each.dtype == torch.int64 for each in (*deal.server, *deal.client))


@pytest.mark.parametrize(("shift", "bits", "key_bytes"), [(16, 24, 272), (0, 24, 272), (16, 8, 16), (16, 9, 32)])
def test_how_much_is_sent(shift: int, bits: int, key_bytes: int) -> None:
    """16 bytes of key a level above the leaf's seven bits and 16 for the leaf; the server's shares are of five words or two."""
    (comparison,) = correlations = [Comparison(10, shift, bits)]
    assert 8 * sent_words(correlations, "client") == 10 * key_bytes
    assert 8 * sent_words(correlations, "server") == 10 * (key_bytes + (40 if comparison.shift else 16))


@by_case
def test_both_parties_get_the_same_key(comparison: Comparison) -> None:
    server, client, deal = dealt(comparison)
    assert torch.equal(server[3], client[3]) and torch.equal(server[3], deal.server[0])


@by_case
def test_the_key_compares_with_the_low_bits_of_what_the_truncation_leaves_of_r(comparison: Comparison) -> None:
    """R mod 2^(bits - 1) is the threshold: what lies just below it is below it, and it is not."""
    server, client, _ = dealt(comparison)
    bits = comparison.bits - 1
    alpha = (opening_mask(server, client) >> np.uint64(comparison.shift)) & np.uint64(2**bits - 1)
    for below in (0, 1):
        x = alpha - np.minimum(alpha, np.uint64(below))
        answers = [dcf.evaluate(b, words(part[2]), words(part[3]), x, bits) for b, part in enumerate((server, client))]
        np.testing.assert_array_equal(answers[0] ^ answers[1], x < alpha)


@by_case
def test_the_shares_add_up(comparison: Comparison) -> None:
    """To s, s R and, where there is a truncation, R, M and s M; s is the bit that hides the answer."""
    server, client, _ = dealt(comparison)
    shift = np.uint64(comparison.shift)
    r, shares = opening_mask(server, client), words(server[4]) + words(client[4])
    high = r >> shift  # R
    s = words(server[1]) ^ words(client[1]) ^ (high >> np.uint64(comparison.bits - 1) & np.uint64(1))
    expected = [s, s * high]
    if comparison.shift:
        top = (r >> np.uint64(63)) << np.uint64(64) - shift  # M
        expected += [high, top, s * top]
    np.testing.assert_array_equal(shares, np.stack(expected))


@by_case
def test_the_bit_that_hides_the_answer_is_fair(comparison: Comparison) -> None:
    """Alone, and beside the top bit of r and either party's part of it."""
    server, client, _ = dealt(comparison)
    s = words(server[4])[0] + words(client[4])[0]
    assert set(np.unique(s)) == {0, 1}
    for bit in (np.zeros_like(s), opening_mask(server, client) >> np.uint64(63), words(server[1]), words(client[1])):
        assert abs((s ^ bit).mean() - 0.5) < 5 * 0.5 / N**0.5


@by_case
def test_r_and_what_the_server_is_sent_change_with_the_clients_key(comparison: Comparison) -> None:
    """Its own half of r does not: it expands that from its own key."""
    server, client, deal = dealt(comparison)
    others, clients, other_deal = dealt(comparison, client=OTHER)
    assert torch.equal(server[0], others[0])
    assert (client[0] != clients[0]).all()
    assert all((one != other).all() for one, other in zip(deal.server, other_deal.server, strict=True))


@by_case
def test_r_and_what_the_client_is_sent_change_with_the_servers_key(comparison: Comparison) -> None:
    server, client, deal = dealt(comparison)
    others, clients, other_deal = dealt(comparison, server=OTHER)
    assert torch.equal(client[0], clients[0])
    assert (server[0] != others[0]).all()
    assert all((one != other).all() for one, other in zip(deal.client, other_deal.client, strict=True))


def test_two_dealings_share_no_word() -> None:
    comparison, dealer = Comparison(500, 16, 24), (Stream(SERVER), Stream(CLIENT))
    sent = [torch.cat([each.flatten() for each in comparison.deal(*dealer).server]).numpy() for _ in range(2)]
    assert not np.intersect1d(*sent).size


def test_words_and_tensors_are_the_same_memory() -> None:
    own = torch.tensor([-1, 2])
    words(own)[1] = 2**63
    assert own.tolist() == [-1, -(2**63)] and tensor(words(own)).data_ptr() == own.data_ptr()
