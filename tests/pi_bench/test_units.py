import pytest

from pi_bench.units import duration, plain, short_count, size, span, times


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (0.123, "0.12 ms"),
        (9.996, "10.0 ms"),
        (99.96, "100 ms"),
        (999.4, "999 ms"),
        (999.5, "1.00 s"),
        (12_340, "12.3 s"),
        (119_940, "120 s"),
        (186_000, "3.10 min"),
    ],
)
def test_a_duration_has_three_figures_and_the_unit_that_suits(ms, text):
    assert duration(ms) == text


def test_a_span_has_one_unit():
    assert (span(405.2, 419.8), span(980, 1040)) == ("405-420 ms", "0.98-1.04 s")


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (999.6, "1.00 kB"), (16_640_000, "16.6 MB"), (2.5e9, "2.50 GB")]
)
def test_sizes_are_powers_of_a_thousand(count, text):
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (50_000, "50k"), (12_900, "12.9k"), (557_056, "557k"), (1_390_000, "1.39M"), (2500, "2.5k")],
)
def test_an_axis_gets_short_counts(count, text):
    assert short_count(count) == text


def test_a_ratio_is_a_multiple():
    assert times(3.4159) == "3.42x"


def test_a_name_cannot_steer_the_terminal():
    assert plain("relu\x1b[2J\u202e1 é") == "relu?[2J?1 é"
