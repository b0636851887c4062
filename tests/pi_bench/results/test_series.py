from datetime import UTC, datetime

import pytest

from pi_bench.results import card
from pi_bench.results.series import interleaved, with_fits


def test_latencies_that_grow_linearly_get_their_line(make_card):
    cards = [make_card(kept=kept) for kept in ((40, 10), (80, 10), (200, 50), (400, 100))]
    plain = make_card(protocol="crypten-plain")
    *fitted, alone = with_fits([*cards, plain])
    fit = fitted[0]["fit"]
    # repeat 3 of 5 computes 2% longer; 300 bytes a ReLU take 0.8 microseconds on 3 Gbit/s
    assert fit["slope_ms_per_relu"] == pytest.approx(0.05 * 1.02 + 300 * 8 / 3e6)
    assert fit["intercept_ms"] + fit["slope_ms_per_relu"] * 90 == pytest.approx(cards[1]["online"]["latency_ms"]["median"])
    assert fit["r2"] == pytest.approx(1)
    assert fit["budgets"] == [50, 90, 250, 500]
    assert all(one["fit"] == fit for one in fitted) and alone["fit"] is None


def test_cards_of_one_run_are_interleaved_and_others_are_not(make_result):
    started = datetime(2026, 1, 1, tzinfo=UTC)
    one, two = (card.build(make_result(), "command", started) for _ in range(2))
    other = card.build(make_result(), "command", datetime(2026, 1, 2, tzinfo=UTC))
    assert interleaved([one, two]) and not interleaved([one, other])


def test_a_layer_that_keeps_no_relu_saves_its_rounds_and_leaves_the_line(make_card):
    emptied = make_card(kept=(60, 0))
    *fitted, alone = with_fits([*(make_card(kept=kept) for kept in ((40, 10), (80, 10), (200, 50))), emptied])
    assert fitted[0]["fit"]["budgets"] == [50, 90, 250] and alone["fit"] is None
