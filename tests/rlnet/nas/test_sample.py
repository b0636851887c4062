"""Whole searches by sampling, of tiny cell-free RobNets on 100 digits, and of another family; the supernet by Algorithm 1."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from rlnet.attacks import AttackConfig
from rlnet.cli import command
from rlnet.data import DataConfig
from rlnet.models.specifications.reading import read
from rlnet.nas import supernet as supernet_stage
from rlnet.nas.__main__ import main
from rlnet.nas.config import EvolutionConfig, NasConfig, SupernetConfig
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.limits import Limits
from rlnet.nas.sample_config import SampleConfig
from rlnet.nas.space_config import SpaceConfig
from rlnet.nas.whole import search_network
from rlnet.training.robust import AdversarialTraining
from rlnet.training.schedule import TrainConfig

from .searches import interrupt, results, search_interrupted, search_into, without_search

TINY = NasConfig(
    family="robnet",
    method="sample",
    max_relus="9k",
    device="cpu",
    precision="fp32",
    space=SpaceConfig("cell-free", width=0.06, cells=2),
    data=DataConfig(train_limit=100, test_limit=20),
    attack=AttackConfig(steps=1),
    supernet=SupernetConfig(epochs=1, batch_size=32),
    evolution=EvolutionConfig(calibration_images=16),
    sample=SampleConfig(candidates=4, fsp_kept=0.5, finetune=TrainConfig(epochs=2, batch_size=32)),
)

FOLDER = Path("digits") / "nas-robnet-9k-sample"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_into(tmp_path_factory, TINY)


def test_what_a_search_leaves(searched: Path) -> None:
    """The found network keeps the limit and is the best of the two that the FSP distance left; there is no largest stage."""
    spec_text, card = results(searched / FOLDER)
    folder, search = searched / FOLDER, card["search"]
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml",
        "images.json",
        "spec.json",
        "card.json",
        "search.png",
        "network.png",
        "judged.csv",
        "fsp.png",
    }
    assert {path.name for path in folder.with_name("nas-robnet").iterdir()} == {"supernet-at", "judged", "candidates"}
    assert list((folder.with_name("nas-robnet") / "candidates").iterdir()) == []
    assert search["counts"] | {"drawn": 0, "new": 0} == {"drawn": 0, "new": 0, "limits": 4, "fsp": 2, "fine-tuned": 2}
    kept = [one for one in search["candidates"] if one["after"] is not None]
    rejected = [one for one in search["candidates"] if one["after"] is None]
    assert len(kept) == len(rejected) == 2 == search["judged"] and search["analysis"] is None
    assert max(one["fsp_distance"] for one in kept) == search["fsp_threshold"]
    assert -1 <= search["fsp_gap"]["rho"] <= 1
    assert all(one["fsp_distance"] > search["fsp_threshold"] for one in rejected)
    best = max(one["after"]["adversarial_accuracy"] for one in kept)
    assert card["found"]["accuracy"]["adversarial"] == best
    assert Limits((3, 32, 32), 10).cost(read(folder / "spec.json")).relus == card["found"]["cost"]["relus"] <= 9000
    assert search["weights"] == "after 2 epochs of fine-tuning" and search["objective"] == "at" and spec_text


def test_a_search_that_was_interrupted(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second epoch of the second candidate: nothing before that is done again, and the numbers are the same."""
    without_search(searched, tmp_path / "runs", FOLDER)
    experiment = NasExperiment(dataclasses.replace(TINY, runs=tmp_path / "runs"))
    per_epoch = experiment.batches(TINY.sample.finetune).steps_per_epoch
    steps = interrupt(monkeypatch, AdversarialTraining, "terms", lambda *_: len(steps) == 4 * per_epoch)
    search_interrupted(experiment.config)
    epochs = [[[epoch, step] for step in range(per_epoch)] for epoch in (0, 1)]
    assert [place for _, _, *place in steps] == 2 * (epochs[0] + epochs[1]) + epochs[1]
    assert results(tmp_path / "runs" / FOLDER) == results(searched / FOLDER)


def test_another_search_of_the_same_supernet(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another limit; without an FSP distance all candidates are fine-tuned. Filters and budget in the command."""
    shutil.copytree(searched, tmp_path / "runs")
    monkeypatch.setattr(supernet_stage, "fit", None)
    sample = SampleConfig(candidates=1, fsp_kept=1, filters="on", budget="large", select="mean", finetune=TINY.sample.finetune)
    card = search_network(dataclasses.replace(TINY, runs=tmp_path / "runs", max_relus=None, sample=sample))
    assert list(card["search"]["counts"]) == ["drawn", "new", "density", "direct", "budget", "limits", "fine-tuned"]
    assert card["search"]["fsp_threshold"] is None and card["search"]["settings"]["budget"] == "large"
    assert not (tmp_path / "runs" / "digits" / "nas-robnet-unlimited-sample" / "fsp.png").exists()


def test_another_family(tmp_path: Path) -> None:
    space, sample = SpaceConfig(width=0.03), dataclasses.replace(TINY.sample, candidates=2, fsp_kept=None)
    supernet = dataclasses.replace(TINY.supernet, objective="at")
    config = dataclasses.replace(
        TINY, family="proard", max_relus="60k", space=space, sample=sample, supernet=supernet, runs=tmp_path
    )
    card = search_network(config)
    assert card["search"]["counts"]["fine-tuned"] == 2 and card["found"]["cost"]["relus"] <= 60_000
    assert not (tmp_path / "digits" / "nas-proard" / "largest").exists()


@pytest.mark.parametrize(
    ("family", "method", "objective"),
    [
        ("robnet", "sample", "at"),
        ("robnet", "evolution", "rslad"),
        ("rnas-cl", "evolution", "rslad"),
    ],
)
def test_objectives_by_default(family: str, method: str, objective: str, tmp_path: Path) -> None:
    """What a supernet does not depend on is no part of its configuration."""
    config = dataclasses.replace(TINY, family=family, method=method, space=SpaceConfig(), max_relus=None, runs=tmp_path)
    experiment = NasExperiment(config)
    assert experiment.objective == objective == experiment.supernet_folder.config["supernet"]["objective"]
    assert [folder.stage for folder in experiment.trained_folders] == (["largest"] if objective == "rslad" else []) + [
        "supernet" if objective == "rslad" else "supernet-at"
    ]
    assert ("largest" in experiment.supernet_folder.config) == (objective == "rslad")
    assert ("sample" in experiment.folder.config) == (method == "sample")


def test_algorithm_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step attacks the sub-network that it trains, and gives gradients to no other part."""
    experiment = NasExperiment(dataclasses.replace(TINY, runs=tmp_path))
    supernet = experiment.supernet().train()
    objective = supernet_stage.SampledTraining(supernet, experiment)
    attacked, adversarial = [], type(experiment.views).adversarial

    def noted(views: object, network: torch.nn.Module, *arguments: object) -> Tensor:
        attacked.append([edge.active for cell in network.cells.present() for edge in cell.edges])
        return adversarial(views, network, *arguments)

    monkeypatch.setattr(type(experiment.views), "adversarial", noted)
    batch = next(experiment.batches(TINY.supernet).epoch(0))
    for step in range(2):
        supernet.zero_grad()
        terms = objective.terms(batch, 0, step)
        sum(terms.values()).backward()
        part = supernet_stage.draw(experiment, 0, step)
        assert set(terms) == {"ce_adversarial", "ce_clean"}
        assert attacked[step] == [edge.active for cell in part.cells.present() for edge in cell.edges]
        trained = {name for name, parameter in supernet.named_parameters() if parameter.grad is not None}
        assert trained == {name for name, _ in part.named_parameters()}
    assert attacked[0] != attacked[1]


@pytest.mark.parametrize("name", ["robnet-cifar10", "robnet-digits"])
def test_presets_are_configurations(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[NasConfig] = []
    file = Path(__file__).parents[3] / "configs" / "nas" / f"{name}.yaml"
    assert command(found.append, NasConfig, [f"--config={file}"]) == 0, capsys.readouterr().err
    assert (found[0].family, found[0].method) == ("robnet", "sample")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["--family", "proard", "--sample.budget", "small"],
            "sample.filters, sample.budget and sample.fsp_kept are of the family",
        ),
        (["--sample.candidates", "0"], "sample.candidates is 0; give at least 1"),
        (["--sample.budget", "huge"], "huge"),
    ],
)
def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str) -> None:
    texts = ["--runs", str(tmp_path / "runs"), "--family", "robnet", "--method", "sample", "--device", "cpu"]
    assert main([*texts, *more]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "runs").exists()
