"""From messages to hops, bytes and milliseconds, by hand."""

from dataclasses import astuple, dataclass
from typing import Any

import pytest

from pi_bench.cost import ZERO, Cost, Message, breakdown, costs, predicted_ms


@dataclass(frozen=True)
class Line:
    rtt_ms: float | None
    mbit_per_s: float | None


def test_costs_add_field_by_field():
    assert Cost(*range(1, 10)) + Cost(*range(10, 100, 10)) == Cost(*range(11, 100, 11))
    assert sum([Cost(rounds=2), Cost(setup_bytes=7)], ZERO) == Cost(rounds=2, setup_bytes=7)


def test_a_cost_adds_to_costs_only():
    with pytest.raises(TypeError):
        Cost() + 1


def test_a_prediction_is_compute_plus_half_a_round_trip_per_round_plus_the_bytes_that_follow_each_other():
    found = [Cost(3, 1_000_000, 10, serial_bytes=1_000_000), Cost(2, 0, 500_000, serial_bytes=500_000)]
    found = predicted_ms(found, Line(rtt_ms=40, mbit_per_s=400), compute_ms=7)
    assert (found.compute_ms, found.rounds_ms) == (7, 5 * 20)
    assert found.bytes_ms == pytest.approx(1_500_000 / 50_000)  # 400 Mbit/s are 50,000 bytes a millisecond
    assert found.total_ms == pytest.approx(7 + 100 + 30)


def message(sender: str, count: int, **fields: Any) -> Message:
    return Message("online", sender, "client" if sender == "server" else "server", count, **fields)


def test_of_messages_that_cross_the_larger_is_waited_for_and_of_a_question_and_its_answer_both():
    crossing = [message("server", 1000), message("client", 800, crosses=True)]
    in_turn = [message("server", 1000), message("client", 800)]
    found = costs({"crossing": crossing, "in turn": in_turn})
    assert (found["crossing"].serial_bytes, found["in turn"].serial_bytes) == (1000, 1800)
    assert all((cost.server_bytes, cost.client_bytes) == (1000, 800) for cost in found.values())


def test_hops_are_those_that_have_to_follow_each_other():
    """Frames of one party in a row are one hop, and an answer, which may come in pieces, is another."""
    pieces = [message("server", 8)] * 3 + [message("client", 8)] * 3
    layers = {
        "input": [message("client", 8)],
        "more of it": [message("client", 8)],
        "pieces": pieces,
        "output": [message("server", 8)],
    }
    assert [cost.rounds for cost in costs(layers).values()] == [1, 0, 2, 1]


def test_each_of_several_exchanges_is_one_hop():
    exchange = [message("server", 8), message("client", 8, crosses=True)]
    layers = {"input": [message("client", 8)], "relu": 9 * exchange, "conv": [message("client", 8)], "next": 9 * exchange}
    assert [cost.rounds for cost in costs(layers).values()] == [1, 9, 1, 9]


def test_what_is_not_online_has_no_hops_and_its_own_bytes():
    sent = [Message("setup", "dealer", "server", 5), Message("setup", "server", "client", 6)]
    sent += [Message("offline", "dealer", "client", 7), Message("offline", "client", "server", 8)]
    cost = costs({"layer": sent})["layer"]
    assert cost == Cost(setup_bytes=11, dealer_to_client_bytes=7, client_to_server_bytes=8)
    assert cost.offline_bytes == 8 and cost.offline["dealer_to_client"] == 7


def test_loopback_adds_nothing_to_compute():
    assert predicted_ms(iter([Cost(9, 10**9, 10**9)]), Line(None, None), 12.5).total_ms == 12.5


def test_a_prediction_reads_an_iterator_once():
    found = predicted_ms(iter([Cost(rounds=2, serial_bytes=1000)]), Line(2, 8), 0)
    assert (found.rounds_ms, found.bytes_ms) == (2, pytest.approx(1))


def layer(relus: int, ms: float, rounds: int, serial_bytes: int, compute_ms: float | None) -> dict:
    return {"relu_total": relus, "ms": ms, "rounds": rounds, "serial_bytes": serial_bytes, "compute_ms": compute_ms}


def test_a_latency_splits_into_relu_rounds_bytes_compute_and_the_rest():
    """Rounds take 1 ms and 1000 bytes 1 ms: 25 of 100 ms are waiting, the rest is computing, two thirds of it in ReLUs."""
    layers = [layer(0, 35, 1, 3000, 10), layer(8, 35, 9, 1000, 10), layer(8, 30, 9, 2000, 10)]
    found = breakdown(layers, Line(2, 8))
    assert astuple(found) == pytest.approx((18, 3, 50, 4 + 25))
    assert sum(astuple(found)) == pytest.approx(100)


def test_waiting_that_shows_in_another_layer_changes_nothing():
    """A frame that one party sends is waited for in the next layer: the time moves, the breakdown stays."""
    before = [layer(0, 30, 1, 1000, 8), layer(8, 20, 9, 1000, 8)]
    after = [layer(0, 28, 1, 1000, 8), layer(8, 22, 9, 1000, 8)]
    assert breakdown(before, Line(2, 8)) == breakdown(after, Line(2, 8))


def test_where_computing_was_not_measured_a_layers_own_time_is_used():
    found = breakdown([layer(0, 50, 1, 99_000, None), layer(8, 30, 9, 1000, None)], Line(2, 0.8))
    assert found.relu_rounds_ms + found.relu_bytes_ms + found.relu_compute_ms + found.linear_ms == pytest.approx(80)
    assert astuple(breakdown([layer(0, 50, 0, 0, None), layer(8, 30, 9, 1000, None)], Line(2, 8))) == pytest.approx(
        (9, 1, 20, 50)
    )


def test_on_loopback_all_of_a_relu_is_compute():
    layers = [layer(8, 30, 9, 1000, 20), layer(0, 10, 1, 1000, 20)]
    assert astuple(breakdown(layers, Line(None, None))) == pytest.approx((0, 0, 20, 20))


def test_parts_never_exceed_what_was_measured():
    assert astuple(breakdown([layer(8, 6, 9, 1000, 1)], Line(2, 8 / 3))) == pytest.approx((4.5, 1.5, 0, 0))
