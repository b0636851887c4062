"""A whole search of a tiny ResNet-50 space on 200 digits, and its parts."""

import dataclasses
import shutil
from pathlib import Path
from random import Random

import pytest
import torch
from torch import nn

import rlnet.nas.experiment
from rlnet.attacks import AttackConfig
from rlnet.config import Config
from rlnet.data import DataConfig
from rlnet.models import NetworkConfig, frozen
from rlnet.models.building import build_specification
from rlnet.models.specifications.reading import read
from rlnet.models.specifications.specification import Specification
from rlnet.nas import supernet as supernet_stage
from rlnet.nas.__main__ import main
from rlnet.nas.config import EvolutionConfig, LargestConfig, NasConfig, SupernetConfig
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.families import make_space
from rlnet.nas.judge import Judge, calibrate
from rlnet.nas.judged_table import read_judged
from rlnet.nas.limits import Limits
from rlnet.nas.proard import ResNet50Space
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.search import Judged, evolve, front, repaired
from rlnet.nas.space_config import SpaceConfig
from rlnet.nas.whole import search_network
from rlnet.nas.written_limits import parse_limit
from rlnet.progress import bar
from rlnet.stages.experiment import Experiment

from .searches import interrupt, results, search_interrupted, search_into, without_search

TINY = NasConfig(
    max_relus="60k",
    device="cpu",
    precision="fp32",
    space=SpaceConfig(width=0.03),
    data=DataConfig(train_limit=150, test_limit=60),
    attack=AttackConfig(steps=1),
    largest=LargestConfig(epochs=1, batch_size=64),
    supernet=SupernetConfig(epochs=2, batch_size=64, validate_every=2),
    evolution=EvolutionConfig(population=3, generations=2, calibration_images=32),
)

DIGITS = (3, 32, 32)
FOLDER = Path("digits") / "nas-proard-60k"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_into(tmp_path_factory, TINY)


def test_what_a_search_leaves(searched: Path) -> None:
    """The network found keeps the limit, is in the space, and is the best on the card's front; rlnet.finetune takes it."""
    folder = searched / "digits" / "nas-proard-60k"
    files = {"config.yaml", "images.json", "spec.json", "card.json", "judged.csv", "search.png", "network.png"}
    assert {path.name for path in folder.iterdir()} == files
    spec, (_, card) = read(folder / "spec.json"), results(searched / FOLDER)
    assert make_space("proard", TINY.space).contains(spec) and card["found"]["specification"] == spec.plain()
    assert card["found"]["cost"]["relus"] == Limits(DIGITS, 10).cost(spec).relus <= 60_000 == card["limits"]["relus"]
    assert card["search"]["judged"] == 6 and card["search"]["validation_images"] == 15
    relus = [one["cost"]["relus"] for one in card["search"]["front"]]
    assert relus == sorted(relus) and max(relus) == card["found"]["cost"]["relus"]
    judged, space = read_judged(folder / "judged.csv"), make_space("proard", TINY.space)
    assert len(judged) == 6 and judged[0]["relus"] == str(max(relus))
    for row in judged:
        assert Limits(DIGITS, 10).cost(space.specification(tuple(map(int, row["genes"].split("-"))))).macs == int(row["macs"])
    network = NetworkConfig(str(folder / "spec.json"))
    config = Config(relu_budget="20k", runs=searched, name="found", data=TINY.data, network=network)
    assert sum(Experiment(config).capacities) == card["found"]["cost"]["relus"]


def test_a_search_that_was_interrupted(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It judges nothing twice, and finds what the other one found."""
    without_search(searched, tmp_path / "runs", FOLDER)
    measured = interrupt(monkeypatch, Judge, "measure", lambda *_: len(measured) == 5)
    search_interrupted(dataclasses.replace(TINY, runs=tmp_path / "runs"))
    specs = [spec for _, spec in measured]
    assert specs[4] == specs[5] and len(set(specs)) == len(specs) - 1 == 6
    assert results(tmp_path / "runs" / FOLDER) == results(searched / FOLDER)


def test_training_that_was_interrupted(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the second epoch of the supernet."""
    draws = interrupt(monkeypatch, supernet_stage, "draw", lambda _, *place: place == (1, 0))
    search_interrupted(dataclasses.replace(TINY, runs=tmp_path))
    assert [place for _, *place in draws] == [[0, 0], [0, 1], [1, 0], [1, 0], [1, 1]]
    assert results(tmp_path / FOLDER) == results(searched / FOLDER)


def test_another_limit_takes_the_same_supernet(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(searched, tmp_path / "runs")
    monkeypatch.setattr(supernet_stage, "fit", None)
    config = dataclasses.replace(TINY, runs=tmp_path / "runs", max_relus="70k", max_macs="100m")
    card = search_network(config)
    assert card["limits"] == {"relus": 70_000, "macs": 100_000_000}
    assert (tmp_path / "runs" / "digits" / "nas-proard-70k-macs-100000k" / "spec.json").exists()


def arguments(runs: Path, *more: str) -> list[str]:
    texts = ["--runs", str(runs), "--space.width", "0.03", "--data.train_limit", "150", "--device", "cpu"]
    return [*texts, "--precision", "fp32", *more]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--family", "darts"], "there is no family 'darts'; known: proard, robnet, rnas-cl"),
        (["--space.name", "vgg"], "proard has no space 'vgg'; known: resnet50, mbv3, mbv3-published"),
        (["--max-relus", "1k"], "1,000 relus are too few: the smallest network of this space has 25,504"),
        (["--max-macs", "9"], "9 macs are too few: the smallest network of this space has"),
        (["--max-macs", "many"], "'many' is no limit of macs; write a whole number"),
        (["--max-relus", "36%"], "'36%' is no limit of relus"),
        (["--family", "robnet", "--space.width", "1", "--supernet.sampling", "progressive"], "have no phases"),
        (["--family", "rnas-cl"], "leave space.width out"),
        (["--evolution.parents", "0"], "evolution.parents is 0"),
        (["--space.width", "0"], "space.width is 0"),
    ],
)
def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str) -> None:
    assert main(arguments(tmp_path / "runs", *more)) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_a_supernet_of_another_space(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(searched, "--space.name", "mbv3", "--space.width", "0.1")) == 2
    assert "space.name is resnet50 there and mbv3 here" in capsys.readouterr().err


@pytest.mark.parametrize("family", ["proard", "robnet", "rnas-cl"])
def test_families_train_and_are_judged(family: str, tmp_path: Path) -> None:
    """One step of each family's random sampling changes some of the sub-network's weights and no others."""
    space = SpaceConfig(width=None if family == "rnas-cl" else 0.1, cells=3)
    name = {"proard": "mbv3", "robnet": "cell-free", "rnas-cl": "s3"}[family]
    config = dataclasses.replace(
        TINY,
        family=family,
        space=dataclasses.replace(space, name=name),
        max_relus=None,
        runs=tmp_path,
        data=DataConfig(train_limit=100, test_limit=20),
        supernet=SupernetConfig(epochs=1, batch_size=8, sampling="random"),
    )
    experiment = NasExperiment(config)
    supernet, teacher = experiment.supernet(), experiment.supernet()
    objective = supernet_stage.SupernetObjective(supernet.train(), teacher, experiment)
    with frozen(teacher, "normal"):
        terms = objective.terms(next(experiment.batches(config.supernet).epoch(0)), 0, 0)
    terms["rslad"].backward()
    part = supernet_stage.draw(experiment, 0, 0)
    shapes = {name: parameter.shape for name, parameter in part.named_parameters()}
    for name, parameter in supernet.named_parameters():
        if parameter.grad is not None and parameter.grad.any() and ".transforms." not in name:
            outside = parameter.grad.clone()
            outside[tuple(slice(n) for n in shapes[name])] = 0
            assert parameter.shape == shapes[name] or not outside.any() or parameter.dim() == 4
    assert terms["rslad"] > 0 and any(parameter.grad is not None for parameter in supernet.parameters())
    found = Judge(experiment, supernet).measure(experiment.space.smallest)
    assert all(0 <= accuracy <= 1 for accuracy in found.values())


def test_statistics_by_hand() -> None:
    """The normal path has the mean and variance of the clean images, whatever was there; the adversarial one others."""
    space = ResNet50Space(2, 2)
    network = build_specification(space.smallest, 10, (0.5,) * 3, (0.5,) * 3, "dual").eval()
    x = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    compute = rlnet.nas.experiment.resolve("cpu", "fp32")
    batches = [(x[:8], torch.zeros(8, dtype=torch.int64)), (x[8:], torch.zeros(4, dtype=torch.int64))]
    calibrate(network, batches, AttackConfig(steps=1), compute, seed=0)
    conv = network.stem["first"].conv
    with torch.no_grad():
        maps = nn.functional.conv2d((x - 0.5) / 0.5, conv.weight, stride=2, padding=1)
    clean, adversarial = conv.bn.paths["clean"], conv.bn.paths["adversarial"]
    torch.testing.assert_close(clean.running_mean, maps.mean(dim=(0, 2, 3)))
    variances = [part.var(dim=(0, 2, 3)) for part in (maps[:8], maps[8:])]
    torch.testing.assert_close(clean.running_var, (2 * variances[0] + variances[1]) / 3)
    assert not torch.equal(clean.running_mean, adversarial.running_mean)
    assert not network.training and clean.momentum == 0.1


@pytest.mark.parametrize("family", ["proard", "robnet", "rnas-cl"])
def test_repaired_keeps_the_limit(family: str) -> None:
    """What keeps it is left as it is; just above the smallest network, the smallest is what there is."""
    width = None if family == "rnas-cl" else 0.1
    space, rng = make_space(family, SpaceConfig(width=width, cells=3)), Random(0)
    least, most = (Limits(DIGITS, 10).cost(spec).relus for spec in (space.smallest, space.largest))
    limits = Limits(DIGITS, 10, relus=(3 * least + most) // 4)
    for _ in range(3):
        genes = space.sample(rng)
        found = repaired(space, limits, genes, rng)
        assert limits.allow(space.specification(found)) and space.canonical(found) == found
        assert found == genes or not limits.allow(space.specification(genes))
    tight = Limits(DIGITS, 10, relus=least)
    assert tight.allow(space.specification(repaired(space, tight, space.genes(space.largest), rng)))


def test_evolution_finds_more_than_chance() -> None:
    """Where the accuracy is the share of ReLUs, evolution improves on its first generation, and judges no network twice."""
    space = InvertedResidualSpace((2, 2, 1), ((16, 12), (8, 6, 5), (10, 7)))  # 72 networks
    limits = Limits(DIGITS, 10, relus=140_000)

    def judge(spec: Specification) -> dict[str, float]:
        return dict.fromkeys(("clean_accuracy", "adversarial_accuracy"), limits.cost(spec).relus / limits.relus)

    with bar("search", 18) as progress:
        judged = evolve(space, limits, EvolutionConfig(population=6, generations=3), judge, 0, progress)
    assert len({one.spec for one in judged}) == len(judged) <= 18
    assert all(limits.allow(one.spec) for one in judged)
    assert judged[0].score > max(one.score for one in judged if one.generation == 0)


def test_front_by_hand() -> None:
    cost = Limits(DIGITS, 10).cost(ResNet50Space(2, 2).smallest)
    points = [(10, 0.5), (20, 0.4), (20, 0.6), (30, 0.6), (40, 0.9)]
    judged = [Judged((i,), None, dataclasses.replace(cost, relus=n), a, a, 0) for i, (n, a) in enumerate(points)]
    assert [(one.cost.relus, one.clean) for one in front(judged, lambda one: one.clean)] == [(10, 0.5), (20, 0.6), (40, 0.9)]


def test_limits_as_people_write_them() -> None:
    assert [parse_limit(text) for text in (None, 5, "100k", "1.5m", "2G", "1_000", " 7 ")] == [
        None, 5, 100_000, 1_500_000, 2_000_000_000, 1000, 7,
    ]  # fmt: skip
    for text in ("0", "-3", "0.5", "1.0005k", "36%", "", "k"):
        with pytest.raises(ValueError, match="is no limit of macs"):
            parse_limit(text, "macs")
