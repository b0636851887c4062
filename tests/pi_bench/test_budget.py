"""By hand: sites a (100 ReLUs) and b (20). A ReLU layer that keeps k takes 10 rounds of 5 ms, 1000 k bytes at 1000 a ms, and
2 + 0.1 k ms of computing; all else takes 7 ms and 2 rounds."""

from dataclasses import dataclass

import numpy as np
import pytest

from pi_bench.budget import Limits, Timing, search, share, with_kept
from pi_bench.cost import Cost, predicted_ms
from pi_bench.model.operations import Architecture, Conv, ReLU


@dataclass(frozen=True)
class Line:
    rtt_ms: float | None = 10.0
    mbit_per_s: float | None = 8.0


LINE = Line()
TIMING = Timing(linear_ms=7, layer_ms=2, relu_ms=0.1)


def network(a: int = 50, b: int = 10) -> Architecture:
    def relu(name: str, inputs: str, kept: int, size: int) -> ReLU:
        return ReLU(name, (inputs,), (size,), packed=np.packbits(np.arange(size) < kept).tobytes())

    return Architecture("x", (100,), (Conv("c", ("x",), (100,)), relu("a", "c", a, 100), relu("b", "a", b, 20)))


def costs(architecture: Architecture) -> dict[str, Cost]:
    found = {"input": Cost(), "c": Cost(rounds=2)}
    for relu in architecture.relus:
        found[relu.name] = Cost(10, 1000 * relu.kept, 7, serial_bytes=1000 * relu.kept) if relu.kept else Cost()
    return found


def answer(target_ms: float, architecture: Architecture | None = None, line: Line = LINE):
    return search(architecture or network(), TIMING, Limits(target_ms), line, costs)


def latency(kept: int, layers: int) -> float:
    return 7 + 2 * 5 + layers * (2 + 50) + 1.1 * kept


def test_the_largest_budget_meets_the_target_and_one_relu_more_does_not():
    found = answer(180.0)  # 17 + 104 + 1.1 k <= 180: k = 53
    assert (found.outcome, found.best.budget, found.best.layers) == ("budget", 53, 2)
    assert found.best.prediction.total_ms == pytest.approx(latency(53, 2)) and latency(54, 2) > 180
    assert (found.best.prediction.rounds_ms, found.best.prediction.bytes_ms) == pytest.approx((22 * 5, 53))
    assert found.best.rounds == 22


@pytest.mark.parametrize("budget", [2, 3, 59, 60, 61, 119])
def test_predicting_at_the_answers_budget_gives_back_the_target(budget):
    """At exactly the latency of a budget that budget is the answer, and just below it one less."""
    at = answer(latency(budget, 2) + 1e-6)
    assert at.best.budget == budget and sum(at.best.kept.values()) == budget
    again = predicted_ms(costs(with_kept(network(), at.best.kept)).values(), Line(), TIMING.compute_ms(at.best.kept.values()))
    assert again.total_ms == pytest.approx(latency(budget, 2))
    if budget > 2:
        assert answer(latency(budget, 2) - 1e-6).best.budget == budget - 1


def test_a_target_that_all_relus_meet():
    found = answer(latency(120, 2) + 0.001)
    assert (found.outcome, found.best.budget, found.best.kept) == ("all", 120, {"a": 100, "b": 20})


def test_where_one_relu_per_layer_is_too_slow_the_layer_with_fewest_is_emptied():
    found = answer(100.0)  # two layers take at least 123.2; one layer 17 + 52 + 1.1 k: k = 28
    assert found.outcome == "fewer-layers"
    assert found.best.kept == {"a": 28, "b": 0}
    assert found.order == ("a", "b") and found.least.budget == 2
    assert found.least.prediction.total_ms == pytest.approx(latency(2, 2))
    assert [(other.layers, other.budget) for other in found.others] == [(0, 0)]


def test_the_layer_that_keeps_most_stays_even_if_it_is_the_smaller_one():
    assert answer(100.0, network(a=5, b=10)).best.kept == {"a": 0, "b": 20}


def test_where_only_zero_relus_meet_the_target_they_are_the_answer():
    found = answer(20.0)
    assert (found.outcome, found.best.budget, found.best.layers) == ("fewer-layers", 0, 0)


def test_where_not_even_zero_relus_do_there_is_no_budget():
    found = answer(16.9)
    assert (found.outcome, found.best) == ("none", None)
    assert found.zero.prediction.total_ms == pytest.approx(17)


def test_layers_that_the_model_emptied_stay_empty():
    found = answer(latency(100, 1) + 1, network(a=50, b=0))
    assert (found.outcome, found.best.kept, found.order) == ("budget", {"a": 100, "b": 0}, ("a",))


def test_a_model_that_keeps_no_relu_is_planned_as_if_it_kept_all():
    assert answer(180.0, network(a=0, b=0)).best.kept == {"a": 44, "b": 9}  # 53 = 2 + 51, 51 x 99/118 = 42.8, 51 x 19/118 = 8.2


def test_on_loopback_only_computing_counts():
    found = answer(7 + 4 + 0.1 * 60.5, line=Line(None, None))
    assert found.best.budget == 60 and found.best.prediction.rounds_ms == 0


def test_a_network_or_a_protocol_without_a_budget_is_refused():
    bare = Architecture("x", (100,), (Conv("c", ("x",), (100,)),))
    with pytest.raises(ValueError, match="no ReLU"):
        answer(100, bare)
    with pytest.raises(ValueError, match="kept or not"):
        search(network(), TIMING, Limits(100), Line(), lambda architecture: {"a": Cost(9, 500, 500, 500)})


@pytest.mark.parametrize("budget", [3, 4, 17, 60, 61, 99, 170])
def test_shares_are_exact_within_the_layers_and_like_the_model(budget):
    spread, sizes = {"a": 40, "b": 1, "c": 19}, {"a": 100, "b": 50, "c": 20}
    found = share(budget, spread, sizes)
    assert sum(found.values()) == budget and all(1 <= found[name] <= sizes[name] for name in sizes)
    if budget == 60:
        assert found == spread
    if budget == 170:
        assert found == sizes


def test_architectures_keep_as_many_as_asked():
    planned = with_kept(network(), {"a": 13, "b": 0})
    assert [relu.kept for relu in planned.relus] == [13, 0]
    assert planned.operations[0] == network().operations[0]


def layer(ms: float, kept: int = 0, total: int = 0) -> dict:
    return {"compute_ms": ms, "relu_kept": kept, "relu_total": total}


def test_timing_is_the_linear_rest_and_a_line_through_the_relu_layers():
    found = Timing.of([layer(5), layer(3 + 0.2 * 10, 10, 50), layer(3 + 0.2 * 40, 40, 50), layer(0.0, 0, 50), layer(2)])
    assert (found.linear_ms, found.layer_ms, found.relu_ms) == pytest.approx((7, 3, 0.2))
    assert found.compute_ms([100, 0, 10]) == pytest.approx(7 + 2 * 3 + 0.2 * 110)


@pytest.mark.parametrize(
    ("relus", "expected"),
    [
        ([(10, 5.0), (10, 7.0)], (0, 0.6)),  # one place fixes no line
        ([(10, 1.0), (20, 4.0)], (0, 0.18)),  # a layer cannot cost less than nothing: through zero, 90 / 500
        ([(10, 4.0), (20, 2.0)], (3.0, 0)),  # nor a ReLU
    ],
)
def test_no_time_is_negative(relus, expected):
    found = Timing.of([layer(ms, kept, 50) for kept, ms in relus])
    assert (found.layer_ms, found.relu_ms) == pytest.approx(expected)


def test_a_card_without_kept_relus_does_not_say_what_one_costs():
    with pytest.raises(ValueError, match="keeps no ReLU"):
        Timing.of([layer(5), layer(0, 0, 50)])
