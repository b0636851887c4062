"""Whole networks in one trip between three real processes: right logits, hops and bytes, and what is held until they are."""

import numpy as np
import pytest

from pi_bench.cost import Cost
from pi_bench.model.operations import Addition, Architecture, ReLU
from pi_bench.protocols.one_trip.sites import PIECE, pieces
from pi_bench.wire.network import Network

from ...three_parties import Outcome, infer
from .networks import BRANCHES, IMAGES, MAP, ONE_TRIP, SETTINGS, chosen, conv, ending, images, model, relu, right, total


def levels(architecture: Architecture) -> int:
    """How many ReLUs that keep any lie one behind the other, at most: written anew, from the network's end."""
    by_name = {operation.name: operation for operation in architecture.operations}

    def depth(name: str) -> int:
        if name not in by_name:
            return 0
        operation = by_name[name]
        return max(map(depth, operation.inputs)) + (isinstance(operation, ReLU) and operation.mask.any())

    return depth(architecture.output.name)


def test_logits_of_a_network_with_branches(branches: Outcome) -> None:
    assert right(branches, BRANCHES, IMAGES) and len(branches.logits) == 2


def test_two_hops_for_each_level_of_relus_and_one_for_each_end(branches: Outcome) -> None:
    assert levels(BRANCHES.architecture) == 3
    for records in branches.records:
        for role in ("server", "client"):
            assert sum(records[role]["online"]["rounds"]) == 2 * 3 + 2


def test_costs_of_a_network_with_branches(branches: Outcome) -> None:
    branches.check_costs(ONE_TRIP.costs(BRANCHES.architecture, SETTINGS))


def test_sites_of_the_same_depth_share_their_messages() -> None:
    """One layer for each level, and what keeps nothing is in none of them."""
    names = [layer.name for layer in ONE_TRIP.layers(BRANCHES.architecture, SETTINGS)]
    assert [name for name in names if "+" in name] == ["seen + all + pooled", "deeper + left_relu"]
    assert {"none", "end"} <= set(names)


def test_costs_by_hand() -> None:
    """A frame is 16 bytes and a word 8; 10 elements or 36, of a batch of 2.

    A kept ReLU is a word each way online, and a bit, of which 64 share a word. Offline both get keys of 16 bytes a level, 17 of
    them for 24 bits, and the server five words of shares, or two where nothing is truncated.
    """
    ten = np.packbits(np.arange(36) < 10).tobytes()
    of = model(
        (1, 6, 6),
        ReLU("a", ("image",), (1, 6, 6), packed=ten),
        conv("product", "a", 1, (1, 6, 6)),
        ReLU("b", ("product",), (1, 6, 6)),
        conv("fresh", "b", 1, (1, 6, 6)),
        ReLU("c", ("fresh",), (1, 6, 6), packed=ten),
        conv("end", "c", 1, (1, 6, 6)),
    )
    found = ONE_TRIP.costs(of.architecture, chosen(batch=2, comparison_bits=24))
    key, frame = 17 * 16, 16
    assert found["input"] == Cost(
        rounds=1, client_bytes=frame + 8 * 72, serial_bytes=frame + 8 * 72, setup_bytes=2 * (frame + 16)
    )
    for site, count, words in (("a", 20, 2), ("b", 72, 5), ("c", 20, 5)):
        bits = 8 * (-(-count // 64))
        server, client = (frame + 8 * count) + (frame + bits), frame + 8 * count + bits
        assert found[site] == Cost(
            rounds=2,
            server_bytes=server,
            client_bytes=client,
            serial_bytes=server + client,
            dealer_to_server_bytes=frame + count * (key + 8 * words),
            dealer_to_client_bytes=frame + count * key,
            client_to_server_bytes=frame + 8 * count,
        )
    weights = frame + 8 * 9
    delta = Cost(dealer_to_server_bytes=frame + 8 * 72, client_to_server_bytes=frame + 8 * 72, setup_bytes=weights)
    assert found["product"] == found["end"] == delta
    assert found["fresh"] == Cost(dealer_to_server_bytes=frame + 8 * 72, setup_bytes=weights)  # its input's mask is dealt
    assert found["output"] == Cost(rounds=1, server_bytes=frame + 8 * 72, serial_bytes=frame + 8 * 72)


def test_a_network_that_keeps_no_relu_sends_the_input_and_the_logits() -> None:
    of = model(
        (2, 6, 6), conv("stem", "image", 2), relu("none", "stem", share=0.0), conv("more", "none", 4), *ending("more", MAP)
    )
    settings, given = chosen(batch=3), images((2, 6, 6), 3)
    outcome = infer(of, given, settings)
    assert right(outcome, of, given)
    outcome.check_costs(ONE_TRIP.costs(of.architecture, settings))
    (records,) = outcome.records
    for role, peer, first, last in (("client", "server", 16 + 8 * 3 * 72, 0), ("server", "client", 0, 16 + 8 * 3 * 5)):
        sent = records[role]["online"]["sent_bytes"][peer]
        assert (sent[0], sum(sent[1:-1]), sent[-1]) == (first, 0, last)
        assert sum(records[role]["online"]["rounds"]) == 2


LARGE = (3, 64, 64)
MANY = model(
    (1, 64, 64),
    conv("stem", "image", 1, LARGE),
    relu("whole", "stem", LARGE),
    relu("part", "stem", LARGE, 0.7),
    Addition("sum", ("whole", "part"), LARGE),
    relu("second", "sum", LARGE),
    *ending("second", LARGE),
)


@pytest.mark.parametrize("network", [None, Network("custom", 40.0, 100.0, True)], ids=["loopback", "little bandwidth"])
def test_a_layer_of_several_pieces_is_two_hops(network: Network | None) -> None:
    """Two sites that share three pieces, and one of two of its own; pieces end within an image."""
    settings, given = chosen(batch=2, comparison_bits=20), images((1, 64, 64), 2)
    kept = [2 * site.kept for site in MANY.architecture.relus]
    assert (len(pieces(kept[:2])), len(pieces(kept[2:]))) == (3, 2) and min(count % PIECE for count in kept) > 0
    outcome = infer(MANY, given, settings, **({} if network is None else {"network": network}))
    assert right(outcome, MANY, given)
    outcome.check_costs(ONE_TRIP.costs(MANY.architecture, settings))
    (records,) = outcome.records
    assert sum(records["client"]["online"]["rounds"]) == 2 * 2 + 2
    if network is not None:
        online_s = sum(records["client"]["online"]["layers_ms"]) / 1e3
        assert online_s > 6 * 0.02 + total(MANY, settings).server_bytes * 8 / 100e6


def test_what_a_party_holds_until_the_inference() -> None:
    """By hand, in words: keys of 21 levels of two words for 28 bits, r, q, seeds of two, and shares of five.

    The server holds its share of each product, what it was sent for it (not for the first one), and rho + r_0; the client its
    masks of the input, of what a ReLU gives, and of the logits. All is in memory.
    """
    of = model((2, 6, 6), conv("stem", "image", 2), relu("a", "stem"), *ending("a", MAP))
    outcome = infer(of, IMAGES, chosen(batch=2, comparison_bits=28))
    site = 144 * (2 * 21 + 1 + 1 + 2 + 5 + 1)
    words = {"server": 144 + site + 5, "client": 72 + site + 5}
    for role, count in words.items():
        offline = outcome.records[0][role]["offline"]
        assert (offline["memory_bytes"], offline["disk_bytes"]) == (8 * 2 * count, 0)
