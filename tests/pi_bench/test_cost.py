from dataclasses import astuple, dataclass

import pytest

from pi_bench.cost import ZERO, Cost, breakdown, predicted_ms


@dataclass(frozen=True)
class Line:
    rtt_ms: float | None
    mbit_per_s: float | None


def test_costs_add_field_by_field():
    assert Cost(1, 2, 3, 4, 5) + Cost(10, 20, 30, 40, 50) == Cost(11, 22, 33, 44, 55)
    assert sum([Cost(rounds=2), Cost(dealt_bytes=7)], ZERO) == Cost(rounds=2, dealt_bytes=7)


def test_a_cost_adds_to_costs_only():
    with pytest.raises(TypeError):
        Cost() + 1


def test_a_prediction_is_compute_plus_half_a_round_trip_per_round_plus_the_longer_direction_of_every_layer():
    costs = [Cost(rounds=3, server_bytes=1_000_000, client_bytes=10), Cost(rounds=2, server_bytes=0, client_bytes=500_000)]
    found = predicted_ms(costs, Line(rtt_ms=40, mbit_per_s=400), compute_ms=7)
    assert (found.compute_ms, found.rounds_ms) == (7, 5 * 20)
    assert found.bytes_ms == pytest.approx(1_500_000 / 50_000)  # 400 Mbit/s are 50,000 bytes a millisecond
    assert found.total_ms == pytest.approx(7 + 100 + 30)


def test_only_the_party_that_sends_more_is_waited_for():
    line = Line(rtt_ms=0, mbit_per_s=8)
    both = predicted_ms([Cost(server_bytes=1000, client_bytes=1000)], line, 0)
    assert both.total_ms == predicted_ms([Cost(server_bytes=1000)], line, 0).total_ms == pytest.approx(1)


def test_loopback_adds_nothing_to_compute():
    assert predicted_ms(iter([Cost(9, 10**9, 10**9)]), Line(None, None), 12.5).total_ms == 12.5


def test_a_prediction_reads_an_iterator_once():
    found = predicted_ms(iter([Cost(rounds=2, server_bytes=1000)]), Line(2, 8), 0)
    assert (found.rounds_ms, found.bytes_ms) == (2, pytest.approx(1))


def layer(relus: int, ms: float, rounds: int, server_bytes: int, compute_ms: float | None) -> dict:
    sent = {"server": server_bytes, "client": 1}
    return {"relu_total": relus, "ms": ms, "rounds": rounds, "bytes": sent, "compute_ms": compute_ms}


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
