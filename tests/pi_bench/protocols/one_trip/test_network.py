"""Whole networks in one trip between three real processes: right logits, hops and bytes, and what an auditor finds."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import pytest

from pi_bench.cost import Cost
from pi_bench.model import plain
from pi_bench.model.operations import (
    Addition,
    Architecture,
    AveragePool,
    Concat,
    Conv,
    Linear,
    Model,
    Operation,
    ReLU,
    Reshape,
    Weights,
)
from pi_bench.protocols import PROTOCOLS
from pi_bench.protocols.calibration import calibrated
from pi_bench.protocols.one_trip.sites import PIECE, pieces
from pi_bench.protocols.settings import Settings
from pi_bench.protocols.shares.audit import out_of_range, wraps
from pi_bench.wire.network import Network

from ...three_parties import Outcome, infer

ONE_TRIP = PROTOCOLS["one-trip"]
BITS, MAP = 16, (4, 6, 6)


def chosen(batch: int, comparison_bits: int | None = None) -> Settings:
    return Settings("one-trip", precision_bits=BITS, batch=batch, comparison_bits=comparison_bits)


def conv(name: str, source: str, in_channels: int, shape: tuple[int, int, int] = MAP, kernel: int = 3) -> Conv:
    padding = (kernel // 2,) * 4
    return Conv(name, (source,), shape, weight_shape=(shape[0], in_channels, kernel, kernel), padding=padding)


def relu(name: str, source: str, shape: tuple[int, ...] = MAP, share: float | None = None) -> ReLU:
    """That keeps this share of its elements; None: all."""
    if share is None:
        return ReLU(name, (source,), shape)
    mask = np.random.default_rng(len(name) + ord(name[0])).random(shape) < share
    return ReLU(name, (source,), shape, packed=np.packbits(mask).tobytes())


def ending(source: str, shape: tuple[int, int, int], classes: int = 5) -> tuple[Operation, ...]:
    """A global average pool and a linear layer."""
    channels, *size = shape
    return (
        AveragePool("pool", (source,), (channels, 1, 1), kernel=tuple(size), stride=tuple(size)),
        Reshape("flat", ("pool",), (channels,)),
        Linear("fc", ("flat",), (classes,), weight_shape=(classes, channels)),
    )


def model(shape: tuple[int, int, int], *operations: Operation) -> Model:
    """With random weights and biases, such that values keep their size."""
    rng, weights = np.random.default_rng(0), {}
    for operation in operations:
        if isinstance(operation, Conv | Linear):
            bias_shape = (operation.shape[0], 1, 1) if isinstance(operation, Conv) else operation.shape
            scale = prod(operation.weight_shape[1:]) ** -0.5
            weights[operation.name] = Weights(
                rng.normal(size=operation.weight_shape) * scale, 0.3 * rng.normal(size=bias_shape)
            )
    return Model(Architecture("image", shape, operations), weights)


def images(shape: tuple[int, int, int], batch: int) -> np.ndarray:
    """Of both signs, for ReLUs that read them."""
    return np.random.default_rng(1).uniform(-1, 1, (batch, *shape)).astype(np.float32)


def levels(architecture: Architecture) -> int:
    """How many ReLUs that keep any lie one behind the other, at most: written anew, from the network's end."""
    by_name = {operation.name: operation for operation in architecture.operations}

    def depth(name: str) -> int:
        if name not in by_name:
            return 0
        operation = by_name[name]
        return max(map(depth, operation.inputs)) + (isinstance(operation, ReLU) and operation.mask.any())

    return depth(architecture.output.name)


def right(outcome: Outcome, of: Model, given: np.ndarray, off: float = 2e-3) -> bool:
    """Whether the logits of all inferences are those in the clear."""
    expected = plain.logits(of, given)
    return len(outcome.logits) > 0 and all(np.abs(logits - expected).max() < off for logits in outcome.logits)


def total(of: Model, settings: Settings) -> Cost:
    return sum(ONE_TRIP.costs(of.architecture, settings).values(), Cost())


def values_out_of_range(outcome: Outcome, of: Model, settings: Settings) -> list[int]:
    """The auditor's count, of each inference."""
    limits = {site: limit for site, (_, limit) in ONE_TRIP.comparisons(of.architecture, settings).items()}
    return [out_of_range(*_values(records), limits) for records in outcome.records]


def _values(records: Mapping[str, Any]) -> list[Mapping[str, str]]:
    return [records[role]["notes"]["values"] for role in ("server", "client")]


def wrapped(outcome: Outcome) -> list[int]:
    """The image of each truncation that the auditor finds wrapped, of all inferences."""
    near = [[records[role]["notes"]["near"] for role in ("server", "client")] for records in outcome.records]
    return [image for both in near for image in wraps(*both)]


BRANCHES = model(
    (2, 6, 6),
    relu("seen", "image", (2, 6, 6), 0.5),  # reads the input, as it is
    conv("left", "seen", 2, kernel=1),
    conv("stem", "image", 2),
    relu("all", "stem"),  # of the same depth as "seen", another mask
    conv("beside", "stem", 4),  # reads a product that also goes into a ReLU
    AveragePool("mean", ("beside",), MAP, kernel=(3, 3), stride=(1, 1), padding=(1, 1, 1, 1)),
    relu("pooled", "mean", share=0.4),  # of the same depth too; what it reads is truncated before
    relu("none", "beside", share=0.0),
    conv("right", "all", 4),
    Addition("sum", ("right", "all"), MAP),  # a product and a ReLU's output
    relu("deeper", "sum", share=0.6),
    relu("left_relu", "left", share=0.3),  # of the same depth as "deeper", without a ReLU in common
    Addition("mixed", ("left_relu", "none"), MAP),
    Concat("join", ("deeper", "pooled", "mixed"), (12, 6, 6), axis=0),
    conv("last", "join", 12),
    relu("end", "last", share=0.5),
    *ending("end", MAP),
)


SETTINGS = chosen(batch=2)
IMAGES = images((2, 6, 6), 2)


@pytest.fixture(scope="module")
def branches() -> Outcome:
    """Two inferences in a row."""
    return infer(BRANCHES, IMAGES, SETTINGS, inferences=2, note=True)


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


def test_bits_by_calibration_make_keys_smaller_and_no_value_is_out_of_range() -> None:
    """16 bytes for each bit less, of each kept element and party; the calibration has not seen what is asked."""
    seen = np.random.default_rng(7).uniform(-1, 1, (16, 2, 6, 6))
    found = calibrated(SETTINGS, BRANCHES, seen)
    outcome = infer(BRANCHES, IMAGES, found, note=True)
    assert right(outcome, BRANCHES, IMAGES)
    outcome.check_costs(ONE_TRIP.costs(BRANCHES.architecture, found))
    assert values_out_of_range(outcome, BRANCHES, found) == [0]
    saved = sum(16 * 2 * site.kept * (48 - found.bits_of(site.name)) for site in BRANCHES.architecture.relus)
    for way in ("dealer_to_server", "dealer_to_client"):
        assert saved == total(BRANCHES, SETTINGS).offline[way] - total(BRANCHES, found).offline[way] > 0


SHALLOW = model((2, 6, 6), conv("stem", "image", 2), relu("part", "stem", share=0.6), *ending("part", MAP))


@pytest.mark.parametrize("bits", [8, 16])
def test_an_auditor_counts_what_is_out_of_range(bits: int) -> None:
    """As many as are in the clear: of units of 2^-16, those from 2^(bits - 1) - 1 on. Then answers are wrong."""
    settings = chosen(batch=2, comparison_bits=bits)
    outcome = infer(SHALLOW, IMAGES, settings, note=True)
    (count,) = values_out_of_range(outcome, SHALLOW, settings)
    (site,) = SHALLOW.architecture.relus
    read = np.abs(plain.evaluate(SHALLOW, IMAGES)["stem"][:, site.mask])
    limit, off = (2 ** (bits - 1) - 1) / 2**BITS, 1e-4
    assert 10 < (read > limit + off).sum() <= count <= (read > limit - off).sum()
    assert not right(outcome, SHALLOW, IMAGES)


def test_no_value_is_out_of_range_where_all_bits_are_compared(branches: Outcome) -> None:
    assert values_out_of_range(branches, BRANCHES, SETTINGS) == [0, 0]


def test_what_the_parties_note_adds_up_to_what_is_compared(branches: Outcome) -> None:
    """So the auditor judges the right values: of each site the kept elements; and by the limits of what was not truncated."""
    values = plain.evaluate(BRANCHES, IMAGES)
    found = ONE_TRIP.comparisons(BRANCHES.architecture, SETTINGS)
    kept = [site for site in BRANCHES.architecture.relus if site.kept]
    assert found.keys() == {site.name for site in kept}
    for site in kept:
        magnitude = np.abs(values[site.inputs[0]][:, site.mask])
        shift = 0 if site.name in ("seen", "pooled") else BITS
        assert found[site.name] == (48, 2**61 if shift else 2**47 - 1)  # what is truncated is below 2^61
        for unit in (0.1, 0.25, 0.5):
            count = out_of_range(*_values(branches.records[0]), {site.name: int(unit * 2 ** (BITS + shift))})
            assert 0 < (magnitude > unit + 1e-3).sum() <= count <= (magnitude > unit - 1e-3).sum()


def test_small_values_do_not_wrap(branches: Outcome) -> None:
    """Those that the parties truncate alone: dropped ReLUs, a product that a pool reads, and the logits. It was looked at."""
    assert wrapped(branches) == []
    for role in ("server", "client"):
        assert any(records[role]["notes"]["near"] for records in branches.records)


def test_kept_relus_do_not_wrap_where_truncations_by_each_party_alone_would() -> None:
    """With 27 fractional bits a product of 1 wraps once in 1024 times. Only logits do, and all wrong images are explained."""
    of = model(
        (2, 6, 6), conv("stem", "image", 2), relu("a", "stem"), conv("more", "a", 4), relu("b", "more"), *ending("b", MAP)
    )
    given, settings = images((2, 6, 6), 32), Settings("one-trip", precision_bits=27, batch=32)
    assert ONE_TRIP.expected_wraps(of, given, settings) < 0.5
    outcome = infer(of, given, settings, note=True)
    off = np.abs(outcome.logits[0] - plain.logits(of, given)).max(1) > 1e-3
    assert set(np.flatnonzero(off)) <= set(wrapped(outcome)) and off.sum() < 5


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
