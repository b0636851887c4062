"""The configuration of ProARD's search: of the predictor, and of NSGA-II on what it predicts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PredictorConfig:
    """The predictor of accuracies, of method nsga2. The defaults are for minutes; in brackets, ProARD's.

    Args:
        networks: sub-networks that are judged for it, once for all limits (2000).
        held_out: fraction of them that it is not trained on, but tested (0.2).
        epochs: passes over the others (50; the paper says 30).
        batch_size: networks per step (256).
        lr: of Adam (0.001).
        weight_decay: of Adam (0.0001).
    """

    networks: int = 60
    held_out: float = 0.2
    epochs: int = 100
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 1e-4

    def __post_init__(self) -> None:
        for name, least in (("networks", 5), ("epochs", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"predictor.{name} is {getattr(self, name)}; give at least {least}")
        if not 0 < self.held_out < 1 or not 2 <= self.tested(self.networks) <= self.networks - 2:
            raise ValueError(
                f"predictor.held_out is {self.held_out} of {self.networks} networks; leave at least 2 to train on and 2 to test"
            )
        if not 0 < self.lr < float("inf") or not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"predictor.lr is {self.lr} and weight_decay {self.weight_decay}; they are above 0 and at least 0")

    def tested(self, networks: int) -> int:
        """On how many of so many networks it is tested."""
        return round(self.held_out * networks)


@dataclass(frozen=True)
class Nsga2Config:
    """NSGA-II, of method nsga2. In brackets, ProARD's.

    Args:
        population: networks of a generation (100).
        generations: how many (100).
        mutation: probability that a gene is drawn anew (0.1).
        finalists: networks of the predicted front that are judged, those of the highest predicted mean accuracy.
    """

    population: int = 24
    generations: int = 20
    mutation: float = 0.1
    finalists: int = 8

    def __post_init__(self) -> None:
        for name, least in (("population", 4), ("generations", 1), ("finalists", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"nsga2.{name} is {getattr(self, name)}; give at least {least}")
        if not 0 < self.mutation <= 1:
            raise ValueError(f"nsga2.mutation is {self.mutation}; it is a probability, above 0 and at most 1")
        if self.finalists > self.population:
            raise ValueError(
                f"nsga2.finalists is {self.finalists} of a population of {self.population}; give at most that many"
            )
