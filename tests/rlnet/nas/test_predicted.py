"""A whole search by ProARD's method, of a tiny ResNet-50 space on 200 digits."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from rlnet.attacks import AttackConfig
from rlnet.data import DataConfig
from rlnet.models.specifications.reading import read
from rlnet.nas import supernet as supernet_stage
from rlnet.nas.config import EvolutionConfig, LargestConfig, NasConfig, SupernetConfig
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.judge import Judge
from rlnet.nas.nsga2_config import Nsga2Config, PredictorConfig
from rlnet.nas.predicted import examples
from rlnet.nas.space_config import SpaceConfig
from rlnet.nas.whole import search_network

from .searches import interrupt, results, search_interrupted, search_into, without_search

TINY = NasConfig(
    method="nsga2",
    max_relus="40k",
    device="cpu",
    precision="fp32",
    space=SpaceConfig(width=0.03),
    data=DataConfig(train_limit=150, test_limit=60),
    attack=AttackConfig(steps=1),
    largest=LargestConfig(epochs=1, batch_size=64),
    supernet=SupernetConfig(epochs=1, batch_size=64),
    evolution=EvolutionConfig(calibration_images=16),
    predictor=PredictorConfig(networks=10, epochs=5),
    nsga2=Nsga2Config(population=4, generations=2, finalists=2),
)

FOLDER = Path("digits") / "nas-proard-40k-nsga2"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_into(tmp_path_factory, TINY)


def test_what_a_search_leaves(searched: Path) -> None:
    """Both the predictor's test and what became of its promises are on the card; the best that was judged is found."""
    names = {path.name for path in (searched / FOLDER).iterdir()}
    assert {"config.yaml", "spec.json", "card.json", "search.png", "predictor.png"} <= names
    _, card = results(searched / FOLDER)
    search, found = card["search"], card["found"]
    assert search["predictor"]["test"]["networks"] == 2 and len(search["finalists"]) == 2
    assert read(searched / FOLDER / "spec.json").plain() == found["specification"]
    assert found["cost"]["relus"] <= 40_000
    score = sum(found["accuracy"].values())
    for one in search["finalists"]:
        assert one["relus"] <= 40_000 and sum(one["judged"].values()) <= score + 1e-12
        assert set(one["predicted"]) == set(one["judged"]) == {"clean", "adversarial"}


def test_a_search_that_was_interrupted(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the predictor's networks were judged: none of them is judged twice, and the same is found."""
    without_search(searched, tmp_path / "runs", FOLDER)
    measured = interrupt(monkeypatch, Judge, "measure", lambda *_: len(measured) == 8)
    search_interrupted(dataclasses.replace(TINY, runs=tmp_path / "runs"))
    specs = [spec for _, spec in measured]
    assert specs[7] == specs[8] and len(set(specs)) == len(specs) - 1 <= 10 + 2
    assert results(tmp_path / "runs" / FOLDER) == results(searched / FOLDER)


def test_another_limit_judges_finalists_only(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The predictor's networks are the same for all limits."""
    shutil.copytree(searched, tmp_path / "runs")
    monkeypatch.setattr(supernet_stage, "fit", None)
    measured, measure = [], Judge.measure
    monkeypatch.setattr(Judge, "measure", lambda judge, spec: measured.append(spec) or measure(judge, spec))
    card = search_network(dataclasses.replace(TINY, runs=tmp_path / "runs", max_relus="35k"))
    assert len(measured) <= 2 and card["found"]["cost"]["relus"] <= 35_000


def test_examples_reach_small_networks(tmp_path: Path) -> None:
    """All different, the same each time; every second one tends to be smaller than an even draw."""
    experiment = NasExperiment(dataclasses.replace(TINY, runs=tmp_path))
    rows = examples(experiment, 30)
    assert rows == examples(experiment, 30) and len(set(rows)) == 30
    relus = [experiment.limits.cost(experiment.space.specification(genes)).relus for genes in rows]
    assert sum(relus[1::2]) < 0.9 * sum(relus[::2]) and min(relus[1::2]) < min(relus[::2])
