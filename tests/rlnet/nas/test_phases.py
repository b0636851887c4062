"""Progressive shrinking's phases: how long each is, and that each learns as a training of its own."""

from dataclasses import replace

import pytest

from rlnet.nas.config import SupernetConfig
from rlnet.nas.phases import PHASES, span_of, spans


def test_as_long_as_in_the_published_code() -> None:
    """Of its epochs 125, 25, 125, 25, 125 with 1, 2, 2, 4, 4 passes each."""
    assert spans(1025) == tuple(
        (name, range(first, end))
        for name, first, end in zip(PHASES, (0, 125, 175, 425, 525), (125, 175, 425, 525, 1025), strict=True)
    )


@pytest.mark.parametrize(
    ("epochs", "lengths"),
    [
        (1, {"expansion-2": 1}),
        (5, {"depth-2": 2, "expansion-2": 3}),
        (10, {"largest-depth": 1, "depth-2": 3, "expansion-1": 1, "expansion-2": 5}),
        (40, {"largest-depth": 4, "depth-1": 2, "depth-2": 10, "expansion-1": 4, "expansion-2": 20}),
    ],
)
def test_short_trainings_leave_short_phases_out(epochs: int, lengths: dict[str, int]) -> None:
    """All phases that are left are in order, one after the other."""
    assert {name: len(span) for name, span in spans(epochs)} == lengths
    assert [epoch for _, span in spans(epochs) for epoch in span] == list(range(epochs))
    assert all(epoch in span_of(epoch, epochs)[1] for epoch in range(epochs))


def test_the_schedule_begins_anew_in_each_phase() -> None:
    """With one warm-up, at the very start; every phase is a training of its length."""
    config = SupernetConfig(epochs=40, lr=0.1, schedule="cosine", warmup_epochs=2, sampling="progressive")
    for _, span in spans(40):
        warmup = 2 if span[0] == 0 else 0
        one = replace(config, epochs=len(span), sampling="random", warmup_epochs=warmup)
        for epoch in (*span, span[-1] + 0.5, span[-1] + 0.999):
            assert config.learning_rate(epoch) == one.learning_rate(epoch - span[0])
    assert [config.learning_rate(epoch) for epoch in (0, 1, 4, 6, 16, 20)] == pytest.approx([0, 0.05, 0.1, 0.1, 0.1, 0.1])
    assert config.learning_rate(19.999) < 1e-6 > config.learning_rate(39.999)


def test_other_sampling_has_one_schedule() -> None:
    config = SupernetConfig(epochs=40, lr=0.1, schedule="cosine", sampling="random")
    assert config.learning_rate(20) == pytest.approx(0.05)
