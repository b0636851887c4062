"""Whole runs of RNAS-CL's stages on 150 digits in a space of 18 networks, interrupted or not, and teachers that do not fit."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import rlnet.nas.experiment
import rlnet.nas.relaxed_search
from rlnet.attacks import AttackConfig
from rlnet.data import DataConfig, Dataset, ImageSet
from rlnet.evaluation.config import EvaluateConfig
from rlnet.evaluation.of_file import evaluate_file
from rlnet.models import NetworkConfig
from rlnet.models.specifications.reading import read
from rlnet.nas import tutored_search
from rlnet.nas.__main__ import main
from rlnet.nas.config import NasConfig
from rlnet.nas.families import FAMILIES
from rlnet.nas.limits import Limits
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.nas.space_config import SpaceConfig
from rlnet.nas.tutor_config import TutorConfig
from rlnet.nas.tutored_experiment import TutoredExperiment
from rlnet.nas.tutored_training import AdversarialObjective
from rlnet.nas.whole import search_network
from rlnet.trained import load
from rlnet.training.schedule import TrainConfig
from tests.rlnet.nas.test_watched_layers import TinyViT

from .searches import interrupt, results, search_interrupted, search_into
from .test_latency import GOOD

SPACE = InvertedResidualSpace((1, 2), ((4, 3), (6, 5, 4)), stem=4)
TRAINING = TrainConfig(epochs=2, batch_size=64, schedule="cosine")
ONCE = dataclasses.replace(TRAINING, epochs=1)
TUTOR = TutorConfig(
    network=NetworkConfig(width=2, stem_stride=2),
    map_size=7,
    teaching=ONCE,
    search=TRAINING,
    training=ONCE,
    finetuning=TRAINING,
)
TINY = NasConfig(
    family="rnas-cl",
    max_relus="24k",
    device="cpu",
    precision="fp32",
    data=DataConfig(train_limit=150, test_limit=60),
    attack=AttackConfig(steps=1),
    tutor=TUTOR,
)

FOLDER = Path("digits", "nas-rnas-cl-24k")


@pytest.fixture(autouse=True, scope="module")
def tiny_space() -> Any:
    """The family's first space is a small one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES["rnas-cl"], "s3", lambda config: SPACE)
        yield


@pytest.fixture(scope="module")
def searched(tiny_space: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_into(tmp_path_factory, TINY)


def everything(runs: Path) -> tuple[Any, ...]:
    """Found network, card without what may differ, tutors, and all weights."""
    folder = runs / FOLDER
    weights = torch.load(folder / "finetuning" / "best.pt", weights_only=True)["weights"]
    logits = torch.load(folder / "search" / "last.pt", weights_only=True)["objective"]["choices"]
    numbers = {name: tensor.tolist() for name, tensor in (*weights.items(), *logits.items())}
    return *results(folder), (folder / "tutors.json").read_bytes(), numbers


def test_what_a_search_leaves(searched: Path) -> None:
    folder = searched / FOLDER
    assert {path.name for path in folder.iterdir()} == {
        *("config.yaml", "images.json", "spec.json", "card.json", "judged.csv", "tutors.json"),
        *("search.png", "network.png", "tutors.png"),
        *("search", "training", "finetuning"),
    }
    spec, card = read(folder / "spec.json"), json.loads((folder / "card.json").read_text())
    assert SPACE.contains(spec) and card["search"]["method"] == "gumbel" and card["search"]["validation_images"] == 15
    assert card["found"]["cost"]["relus"] == Limits((3, 32, 32), 10).cost(spec).relus <= 24_000
    assert set(card["trained"]) == {"teacher", "search", "training", "finetuning"}
    assert card["found"]["accuracy"] == card["trained"]["finetuning"]
    tutors = json.loads((folder / "tutors.json").read_text())
    assert len(tutors["tutors"]) == 10 and set(tutors["tutors"].values()) <= set(tutors["robustness"])
    assert len(tutors["robustness"]) == 20 and all(score > 0 for score in tutors["robustness"].values())
    history = [json.loads(line) for line in (folder / "search" / "metrics.jsonl").read_text().splitlines()]
    assert history[0]["tau"] > history[1]["tau"] and history[1]["expected_relus"] > 0


def test_evaluate_reads_it(searched: Path, tmp_path: Path) -> None:
    folder = searched / FOLDER / "finetuning"
    config = EvaluateConfig(attacks=("fgsm",), limit=20, corruptions=("none",), device="cpu", output=tmp_path)
    card = evaluate_file(folder, config)
    assert set(card["modes"]) >= {"normal", "adversarial"}
    assert load(folder)(torch.rand(1, 3, 32, 32)).shape == (1, 10)


@pytest.mark.parametrize(("at", "times"), [((1, 1), "search"), ((1, 0), "finetuning")])
def test_a_run_that_was_interrupted(
    at: tuple[int, int], times: str, searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a step of a stage's second epoch. The teacher is the same, so it need not be trained again."""
    config = dataclasses.replace(TINY, runs=tmp_path)
    shutil.copytree(searched / "digits" / "nas-rnas-cl", tmp_path / "digits" / "nas-rnas-cl")
    kind = {"search": rlnet.nas.relaxed_search.RelaxedObjective, "finetuning": AdversarialObjective}[times]
    steps = interrupt(monkeypatch, kind, "terms", lambda _, batch, *place: tuple(place) == at)
    search_interrupted(config)
    places = [tuple(place) for _, _, *place in steps]
    assert places[:2] == [(0, 0), (0, 1)] and places.count((0, 0)) == 1 and places.count((1, 0)) == 2
    assert everything(tmp_path) == everything(searched)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"tutors": "fixed"}, 10),
        ({"tutors": "random", "guidance": "layerwise-kl"}, 10),
        ({"guidance": "rkd"}, 10),
        ({"guidance": "none"}, 0),
    ],
)
def test_ablations_run(changes: dict[str, Any], names: int, searched: Path, tmp_path: Path) -> None:
    """With the same teacher, named by its folder."""
    teacher = searched / "digits" / "nas-rnas-cl" / "teacher"
    short = dict.fromkeys(("search", "training", "finetuning"), dataclasses.replace(ONCE, batch_size=48))
    tutor = dataclasses.replace(TUTOR, teacher=teacher, **short, **changes)
    card = search_network(dataclasses.replace(TINY, runs=tmp_path, tutor=tutor))
    assert "teacher" not in card["trained"] and card["search"]["guidance"] == tutor.guidance
    tutors = json.loads((tmp_path / FOLDER / "tutors.json").read_text())["tutors"]
    assert len(tutors) == names
    if tutor.tutors == "fixed":
        assert (tutors["conv1"], tutors["stages.1.1.project"]) == ("conv1", "layer4.1.conv2")


def test_a_transformer_teaches(tmp_path: Path) -> None:
    """A module of other code, whose tokens become maps."""
    short = dict.fromkeys(("search", "training", "finetuning"), ONCE)
    config = dataclasses.replace(TINY, runs=tmp_path, tutor=dataclasses.replace(TUTOR, **short))
    experiment = TutoredExperiment(config, TinyViT())
    judged, folders = tutored_search.run(experiment)
    assert experiment.limits.allow(judged.spec) and folders[0].stage == "search"
    tutors = json.loads((tmp_path / FOLDER / "tutors.json").read_text())
    assert set(tutors["robustness"]) == {"patches", "blocks.0", "blocks.1"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--tutor.teacher", "nowhere"], "nowhere is neither a checkpoint nor the folder of a finished stage"),
        (["--tutor.layers", "[conv7]"], "the teacher has no module 'conv7'"),
        (["--tutor.search.batch_size", "150"], "an epoch of the search is 1 step"),
        (["--tutor.guidance", "praise"], "tutor.guidance"),
        (["--tutor.kl", "-1"], "tutor.kl is -1"),
        (["--family", "proard", "--method", "gumbel"], "proard has none, use --method evolution"),
        (["--max-relus", "9k"], "9,000 relus are too few"),
    ],
)
def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str) -> None:
    runs = tmp_path / "runs"
    texts = ["--family", "rnas-cl", "--runs", str(runs), "--data.train_limit", "150", "--device", "cpu"]
    assert main([*texts, *more]) == 2
    assert message in capsys.readouterr().err and not runs.exists()


def test_a_teacher_of_other_images(searched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other classes, or of another size, whatever its file is; and a module that returns something else."""
    teacher = searched / "digits" / "nas-rnas-cl" / "teacher"
    tutor = dataclasses.replace(TUTOR, teacher=teacher)
    config = dataclasses.replace(TINY, runs=tmp_path / "runs", tutor=tutor)

    load_data = rlnet.nas.experiment.load

    def of_three_classes(*arguments: Any) -> Dataset:
        data = load_data(*arguments)
        images = {n: ImageSet(getattr(data, n).images, getattr(data, n).labels % 3) for n in ("train", "validation")}
        return dataclasses.replace(data, classes=data.classes[:3], **images)

    with pytest.raises(ValueError, match=r"returns \(2, 7\) for 2 images of 10 classes"):
        TutoredExperiment(dataclasses.replace(config, tutor=TUTOR), TinyViT(7))
    monkeypatch.setattr(rlnet.nas.experiment, "load", of_three_classes)
    with pytest.raises(ValueError, match=r"cannot teach here: it was trained on digits \(10 classes.*which digits is not \(3"):
        TutoredExperiment(config)
    assert not (tmp_path / "runs").exists()


def test_another_teacher_is_another_run(searched: Path, tmp_path: Path) -> None:
    """A folder of one teacher's search is not continued with another's."""
    shutil.copytree(searched, tmp_path / "runs")
    config = dataclasses.replace(TINY, runs=tmp_path / "runs")
    teacher = tmp_path / "runs" / FOLDER / "finetuning"
    with pytest.raises(ValueError, match=r"tutor\.teacher is None there and"):
        TutoredExperiment(dataclasses.replace(config, tutor=dataclasses.replace(TUTOR, teacher=teacher)))


def test_spaces_are_scaled_by_quarters() -> None:
    """Quarters of all channels are whole, and so the limits fit smaller images."""
    quarter = FAMILIES["rnas-cl"]["s5"](SpaceConfig())
    assert quarter.widths == ((4, 3), (8, 7, 6, 5), (16, 15, 14, 13)) and quarter.largest.stem == 4
    published = FAMILIES["rnas-cl"]["s5"](SpaceConfig(width=1))
    limits = Limits((3, 32, 32), 10)
    assert 4 * limits.cost(quarter.smallest).relus == limits.cost(published.smallest).relus
    with pytest.raises(ValueError, match=r"give 0\.25, 0\.5, 0\.75 or 1"):
        FAMILIES["rnas-cl"]["s5"](SpaceConfig(width=0.3))


def test_another_latency_model_is_another_search(tmp_path: Path) -> None:
    """Of the same limit, and whatever the file is called."""
    settings = []
    for ms in (1.0, 2.0):
        content = {**GOOD, "ms_per": {**GOOD["ms_per"], "relu_layers": ms}}
        (tmp_path / "model.json").write_text(json.dumps(content))
        config = dataclasses.replace(TINY, runs=tmp_path, max_latency="90s", latency_model=tmp_path / "model.json")
        settings.append(TutoredExperiment(config).folder.config)
    assert settings[0] != settings[1] and settings[0]["max_latency_ms"] == 90_000
