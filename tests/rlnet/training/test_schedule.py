"""Learning rates by hand."""

import math
from itertools import pairwise

import pytest

from rlnet.training.schedule import TrainConfig


def test_step_schedule_of_the_paper() -> None:
    """240 epochs: 62.5, 75 and 87.5 % are 150, 180 and 210 (counted from 0); the rate drops tenfold at each."""
    config = TrainConfig(epochs=240, lr=0.05, schedule="step")
    for epochs, rate in [((0, 149), 0.05), ((150, 179), 0.005), ((180, 209), 0.0005), ((210, 239), 0.00005)]:
        for epoch in epochs:
            assert config.learning_rate(epoch) == pytest.approx(rate)
            assert config.learning_rate(epoch + 0.999) == pytest.approx(rate)


def test_step_schedule_drops_between_epochs() -> None:
    """10 epochs: 6.25, 7.5 and 8.75 lie within an epoch, which still ends at its rate."""
    config = TrainConfig(epochs=10, lr=1.0, schedule="step")
    rates = [config.learning_rate(epoch) for epoch in range(10)]
    assert rates == pytest.approx([1] * 7 + [0.1, 0.01, 0.001])
    assert config.learning_rate(6.99) == 1


def test_cosine() -> None:
    config = TrainConfig(epochs=12, lr=0.4, schedule="cosine")
    found = [config.learning_rate(epoch) for epoch in (0, 4, 6, 8, 12)]
    assert found == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])  # 1/2 (1 + cos 60 deg) = 3/4
    falling = [config.learning_rate(epoch / 10) for epoch in range(121)]
    assert all(a > b for a, b in pairwise(falling))


def test_constant() -> None:
    config = TrainConfig(epochs=3, lr=0.02, schedule="constant")
    assert {config.learning_rate(epoch / 7) for epoch in range(21)} == {0.02}


@pytest.mark.parametrize("schedule", ["step", "cosine", "constant"])
def test_warm_up_rises_linearly_from_0(schedule: str) -> None:
    config = TrainConfig(epochs=100, lr=0.1, schedule=schedule, warmup_epochs=2.5)
    found = [config.learning_rate(epoch) for epoch in (0, 0.25, 1, 2, 2.4)]
    assert found == pytest.approx([0, 0.01, 0.04, 0.08, 0.096])
    assert config.learning_rate(2.5) == pytest.approx(0.1, rel=0.002)


def test_after_the_warm_up_the_schedule_is_that_without_it() -> None:
    warm, cold = (TrainConfig(epochs=20, schedule="cosine", warmup_epochs=epochs) for epochs in (3, 0))
    assert all(warm.learning_rate(epoch) == cold.learning_rate(epoch) for epoch in range(3, 20))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("epochs", "batch_size", "validate_every") for value in (0, -1)),
        *(("lr", value) for value in (0, -0.1, math.nan, math.inf)),
        *(("momentum", value) for value in (-0.1, 1, math.nan)),
        *((name, value) for name in ("weight_decay", "warmup_epochs") for value in (-1, math.nan, math.inf)),
    ],
)
def test_refuses_stages_that_cannot_learn(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} is {value};"):
        TrainConfig(**{name: value})
