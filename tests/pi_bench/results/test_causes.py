"""What decides latency and offline cost, in words."""

import pytest

from pi_bench.cost import breakdown
from pi_bench.results.causes import causes
from pi_bench.units import duration, figures, size
from pi_bench.wire.network import Network

LOOPBACK = {"name": "loopback", "rtt_ms": None, "mbit_per_s": None, "emulated": False}
WAN = {"name": "wan", "rtt_ms": 40.0, "mbit_per_s": 400.0, "emulated": True}
NARROW = {"name": "narrow", "rtt_ms": 0.1, "mbit_per_s": 1.0, "emulated": True}


def test_round_trips_of_the_relu_layers_that_wait(make_card):
    made = make_card(network=WAN, kept=(60, 0))
    ((what, said),) = causes([made])
    assert what == "crypten, 60 ReLUs"
    assert said.startswith(f"on wan 1 ReLU layer takes 180 ms of {duration(made['online']['latency_ms']['median'])} in round")
    assert "2 ReLU layers take 80.0 ms of" in causes([make_card(protocol="one-trip", network=WAN)])[0][1]


@pytest.mark.parametrize(
    ("arguments", "words", "part"),
    [
        ({"network": LOOPBACK, "ms_per_relu": 0.0}, "all layers but ReLUs take {}", "linear_ms"),
        ({"network": LOOPBACK, "ms_per_relu": 1.0}, "computing the ReLUs takes {}", "relu_compute_ms"),
        ({"network": NARROW}, "the bytes of the ReLUs take {}", "relu_bytes_ms"),
        ({"network": WAN}, "2 ReLU layers take {}", "relu_rounds_ms"),
    ],
)
def test_the_part_that_is_named_is_the_largest(make_card, arguments, words, part):
    made = make_card(**arguments)
    parts = vars(breakdown(made["layers"], Network(**made["network"])))
    assert max(parts, key=parts.get) == part
    assert words.format(duration(parts[part])) in causes([made])[0][1]


def test_offline_bytes_of_one_budget_are_shared_out_over_its_relus(make_card):
    made = make_card(protocol="one-trip")
    received = made["offline"]["bytes_per_party"]
    assert f"offline {size(received)}, {figures(received / 100)} bytes a ReLU" in causes([made])[0][1]


def test_between_two_budgets_offline_bytes_grow_by_what_a_relu_takes(make_card):
    """900 bytes each, whatever else is sent; a budget without ReLUs is told by the others."""
    cards = [make_card(kept=kept, protocol="one-trip") for kept in ((0, 0), (5, 5), (400, 100), (60, 40))]
    (most, _), (fewest, said) = causes(cards)
    assert (most, fewest) == ("one-trip, 500 ReLUs", "one-trip, 10 ReLUs")
    assert "and 900 bytes for each ReLU more" in said


def test_protocols_come_in_the_order_of_tables_with_each_of_their_networks(make_card):
    cards = [
        make_card(protocol=protocol, network=network) for network in (LOOPBACK, WAN) for protocol in ("crypten", "one-trip")
    ]
    found = causes(cards)
    assert [what for what, _ in found] == ["one-trip, 100 ReLUs", "crypten, 100 ReLUs"]
    assert all(said.index("on loopback ") < said.index("on wan ") < said.index("offline ") for _, said in found)


def test_a_network_without_relus_and_an_older_card_have_their_sentence(make_card, make_older):
    ((what, said),) = causes([make_card(kept=(0, 0))])
    assert what == "crypten, 0 ReLUs" and said.endswith("offline 100 B.")
    assert causes([make_older()]) == causes([make_card()])
