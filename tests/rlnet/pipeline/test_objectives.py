"""Teachers of every objective from the command line; several steps for a batch; runs made before there were objectives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import rlnet.teacher
import rlnet.training.loop
from rlnet.config import Config
from rlnet.finetune import finetune
from rlnet.plots import losses
from rlnet.training.robust import FreeTraining
from rlnet.training.schedule import TrainConfig

ATTACKED = ["ce_adversarial"]
TERMS = {"at": ATTACKED, "fast-at": ATTACKED, "trades": ["ce_trades", "kl_trades"], "free": ATTACKED}
FREE = {"name": "free", "replays": 2}


def metrics(runs: Path) -> list[dict[str, Any]]:
    lines = (runs / "digits/teacher/metrics.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def trained(runs: Path) -> dict[str, Any]:
    """What the last epoch left: weights, momenta and the objective's own state."""
    content = torch.load(runs / "digits/teacher/last.pt", weights_only=True)
    momenta = {str(i): state["momentum_buffer"] for i, state in content["optimizer"]["state"].items()}
    return {**content["network"], **momenta, **content["objective"]}


@pytest.mark.parametrize("kind", ["single", "dual"])
@pytest.mark.parametrize("name", TERMS)
def test_a_teacher(tmp_path: Path, flags: Callable[..., list[str]], name: str, kind: str) -> None:
    """Its terms are logged and drawn, and its folder is complete."""
    arguments = flags(tmp_path, objective={"name": name}, network={"batch_norm": kind})
    assert rlnet.teacher.main(arguments) == 0
    terms = TERMS[name] + (["ce_clean", "ce_augmented"] if kind == "dual" else [])
    for found in metrics(tmp_path):
        assert list(found) == ["epoch", "lr", "loss", *terms, "clean_accuracy", "adversarial_accuracy"]
    card = json.loads((tmp_path / "digits/teacher/card.json").read_text())
    assert set(card["accuracy"]) >= {"clean", "adversarial"}
    assert yaml.safe_load((tmp_path / "digits/teacher/config.yaml").read_text())["objective"]["name"] == name
    drawn = losses([tmp_path / "digits/teacher"]).axes[0].get_legend_handles_labels()[1]
    assert drawn == terms


def test_stages_2_and_3_go_on_from_such_a_teacher(tmp_path: Path, tiny: Callable[..., Config], no_pictures: None) -> None:
    short = {name: {"epochs": 1} for name in ("teacher", "search", "finetune")}
    finetune(tiny(tmp_path, objective={"name": "trades"}, **short))
    assert (tmp_path / "digits/relu-3133/student/card.json").exists()


def test_free_training_interrupted_in_every_step(
    tmp_path: Path, flags: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C once in each of 2 epochs x 2 batches x 2 steps: the perturbation, too, goes on where it was."""
    stopped, terms, calls = set(), FreeTraining.terms, {}

    def stop_once(objective: FreeTraining, batch: Any, epoch: int, step: int) -> Any:
        found = terms(objective, batch, epoch, step)
        count = calls[objective] = calls.get(objective, -1) + 1
        place = epoch, step, count % 2
        if place not in stopped:
            stopped.add(place)
            raise KeyboardInterrupt
        return found

    assert rlnet.teacher.main(flags(tmp_path / "whole", objective=FREE)) == 0
    monkeypatch.setattr(FreeTraining, "terms", stop_once)
    arguments = flags(tmp_path / "stopped", objective=FREE)
    times = 0
    while rlnet.teacher.main(arguments) == 130:
        times += 1
    assert times == len(stopped) == 2 * 2 * 2
    assert metrics(tmp_path / "stopped") == metrics(tmp_path / "whole")
    found, wanted = (trained(tmp_path / name) for name in ("stopped", "whole"))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    assert wanted["perturbation"].shape == (32, 3, 32, 32) and wanted["perturbation"].abs().max() > 0


def test_replays_are_steps_of_the_schedule_and_of_the_progress(
    tmp_path: Path, flags: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2 epochs x 2 batches x 2 steps: the learning rate moves in quarters of an epoch, the bar has 8 units."""
    at, units = [], []
    rate, bar = TrainConfig.learning_rate, rlnet.training.loop.bar
    monkeypatch.setattr(TrainConfig, "learning_rate", lambda config, epoch: at.append(epoch) or rate(config, epoch))
    monkeypatch.setattr(rlnet.training.loop, "bar", lambda *arguments: units.append(arguments[1:]) or bar(*arguments))
    assert rlnet.teacher.main(flags(tmp_path, objective=FREE)) == 0
    assert at == pytest.approx([0, *(i / 4 for i in range(4)), 1, *(1 + i / 4 for i in range(4))])  # 0 and 1: for the log
    assert units == [(8, 0)]


def test_a_run_from_before_there_were_objectives(
    tmp_path: Path,
    uninterrupted: Path,
    flags: Callable[..., list[str]],
    snapshot: Callable[[Path], dict],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its config.yaml does not name them: it is a run of the default, and of no other objective."""
    folder = tmp_path / "digits/teacher"
    folder.mkdir(parents=True)
    for file in (uninterrupted / "digits/teacher").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["objective"], config["teacher"]["validate_every"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    before = snapshot(tmp_path)
    assert rlnet.teacher.main(flags(tmp_path)) == 0
    assert snapshot(tmp_path) == before
    capsys.readouterr()
    assert rlnet.teacher.main(flags(tmp_path, objective={"name": "trades"}, teacher={"validate_every": 2})) == 2
    line = capsys.readouterr().err
    assert "objective.name is rlnet there and trades here" in line and "teacher.validate_every is 1 there and 2 here" in line
    assert snapshot(tmp_path) == before
