"""An evaluation that was stopped goes on where it was, does nothing twice, and mixes nothing up."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rlnet.attacks import AttackConfig, Pixels
from rlnet.data import ImageSet
from rlnet.evaluation import work
from rlnet.evaluation.config import EvaluationConfig, FullConfig
from rlnet.evaluation.full import evaluate
from rlnet.evaluation.paper import paper_accuracies
from rlnet.models import ModeNetwork

CPU = torch.device("cpu")


@pytest.fixture
def everything(quick: Callable[..., FullConfig]) -> FullConfig:
    """Clean and corrupted images, two attacks on three modes, images crafted on two paths, the adaptive attack."""
    return quick(mode="auto", corruptions=("gaussian_noise",), clean_loss=0.02)


@pytest.fixture
def run(trained: Any, believed: ImageSet, everything: FullConfig, pieces_of_30: None) -> Callable[..., dict[str, Any]]:
    """Evaluates everything of the trained network in pieces, with changes."""

    def evaluate_in(folder: Path | None, config: FullConfig = everything, **changes: Any) -> dict[str, Any]:
        network, test = changes.pop("network", trained.network), changes.pop("test", trained.test)
        return evaluate(network, test, config, folder=folder, **{"held_out": believed, **changes})

    return evaluate_in


def stop_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the piece after `count` others."""
    outcome, left = work._outcome, [count]

    def interrupted(*arguments: Any) -> work.Outcome:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return outcome(*arguments)

    monkeypatch.setattr(work, "_outcome", interrupted)


@pytest.mark.parametrize("count", [0, 1, 20, 43])
def test_a_stopped_evaluation_goes_on_where_it_was(
    count: int, run: Callable[..., dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    uninterrupted = run(None)
    in_all = len(measured)
    measured.clear()
    with monkeypatch.context() as patch:
        stop_after(count, patch)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert len(measured) == count < in_all
    assert run(tmp_path) == uninterrupted
    assert len(measured) == len(set(measured)) == in_all
    assert run(tmp_path) == uninterrupted
    assert len(measured) == in_all


@pytest.mark.parametrize("lost", [1, 10, 200])
def test_a_journal_cut_off_anywhere_loses_its_last_pieces_only(
    lost: int, run: Callable[..., dict], tmp_path: Path, measured: list[str]
) -> None:
    card = run(tmp_path)
    journal = tmp_path / "journal-0.jsonl"
    content = journal.read_bytes()
    journal.write_bytes(content[:-lost])
    left = sum(line.endswith(b"}}") for line in content[:-lost].splitlines())
    in_all = len(measured)
    measured.clear()
    assert run(tmp_path) == card
    assert len(measured) == in_all - left and (lost == 1) == (measured == [])
    measured.clear()
    assert run(tmp_path) == card and measured == []


def nudged(network: ModeNetwork) -> ModeNetwork:
    network = copy.deepcopy(network)
    next(network.parameters()).data.mul_(1.5)
    return network


@pytest.mark.parametrize(
    "name", ["eps", "step", "attacks", "seed", "weights", "images", "order", "score", "adaptive", "limit", "source"]
)
def test_outcomes_of_other_settings_are_not_mixed_up(
    name: str, run: Callable[..., dict], quick: Callable[..., FullConfig], trained: Any, tmp_path: Path, measured: list[str]
) -> None:
    """In a folder with the outcomes of one evaluation another one finds what it finds in an empty folder."""
    common = {"mode": "auto", "corruptions": ("gaussian_noise",), "clean_loss": 0.02}
    changes: dict[str, Any] = {
        "eps": {"config": quick(**common, eps="4/255")},
        "step": {"attack": AttackConfig(Pixels("8/255"), Pixels("4/255"))},
        "attacks": {"config": quick(**common | {"attacks": ("pgd-2x2", "cw-2")})},
        "seed": {"seed": 1},
        "weights": {"network": nudged(trained.network)},
        "images": {"test": trained.held_out},
        "order": {"test": trained.test.subset(torch.arange(80).flip(0))},
        "score": {"config": quick(**common, score="normal")},
        "adaptive": {"config": quick(**common | {"adaptive": "pgd-3"})},
        "limit": {"config": quick(**common, limit=50)},
        "source": {"source": nudged(trained.network)},
    }[name]
    before = run(tmp_path)
    measured.clear()
    expected = run(None, **changes)
    in_all = len(measured)
    measured.clear()
    assert run(tmp_path, **changes) == expected != before
    assert 0 < len(measured) <= in_all
    assert run(tmp_path) == before


def test_asking_for_more_does_only_what_is_missing(
    run: Callable[..., dict], quick: Callable[..., FullConfig], tmp_path: Path, measured: list[str]
) -> None:
    common = {"mode": "auto", "clean_loss": 0.02, "attacks": ("pgd-2",)}
    run(tmp_path, quick(**common))
    measured.clear()
    run(tmp_path, quick(**common | {"attacks": ("pgd-2", "square-5")}))
    assert len(measured) == 3 * 3  # three modes, 80 images in pieces of 30
    measured.clear()
    run(tmp_path, quick(**common | {"corruptions": ("contrast",)}))
    assert len(measured) == 5 * 3
    measured.clear()
    run(tmp_path, quick(**common | {"curve": ("2/255",)}))
    assert len(measured) == 2 * 3


def test_another_source_makes_other_images(run: Callable[..., dict], trained: Any, tmp_path: Path, measured: list[str]) -> None:
    first, second = nudged(trained.network), nudged(nudged(trained.network))
    expected = [run(None, source=source) for source in (first, second)]
    run(tmp_path)
    measured.clear()
    assert [run(tmp_path, source=source) for source in (first, second)] == expected
    assert len(measured) == 2 * 2 * 3  # two sources, two attacks, three pieces
    measured.clear()
    run(tmp_path, source=first)
    assert measured == []


def test_either_path_of_a_source_makes_its_own_images(trained: Any, quick: Callable[..., FullConfig], tmp_path: Path) -> None:
    """A network with one path is shown images of the source's path of the mode that is asked for."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 5))
    crafted = [
        evaluate(network, trained.test, quick(mode=mode), source=trained.network, folder=folder)["crafted"]
        for folder in (tmp_path, None)
        for mode in ("both", "normal")
    ]
    assert crafted[:2] == crafted[2:] and crafted[0] != crafted[1]


def test_the_paper_s_accuracies_go_on_and_leave_no_journal(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str], pieces_of_30: None
) -> None:
    config = EvaluationConfig(attacks=("fgsm", "pgd-2"), corruptions=("gaussian_noise",))

    def accuracies(folder: Path | None) -> tuple[dict, dict]:
        return paper_accuracies(trained.network, trained.test, config, AttackConfig(), CPU, 0, "test", folder)

    expected = accuracies(None)
    in_all = len(measured)
    assert in_all == (1 + 5 + 2) * 3
    measured.clear()
    with monkeypatch.context() as patch:
        stop_after(10, patch)
        with pytest.raises(KeyboardInterrupt):
            accuracies(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["journal-0.jsonl"]
    assert accuracies(tmp_path) == expected
    assert len(measured) == in_all and list(tmp_path.iterdir()) == []


def test_the_paper_s_accuracies_are_those_of_the_full_evaluation(trained: Any, quick: Callable[..., FullConfig]) -> None:
    """CA and NPA in mode normal, AdvA in mode adversarial."""
    card = evaluate(trained.network, trained.test, quick(corruptions=("contrast",)))["modes"]
    config = EvaluationConfig(attacks=("fgsm", "pgd-2"), corruptions=("contrast",))
    found, basis = paper_accuracies(trained.network, trained.test, config, AttackConfig(), CPU, 0, "test")
    assert found["clean"] == card["normal"]["clean"]["accuracy"] and found["corrupted"] == card["normal"]["corrupted"]
    robust = {name: value["accuracy"] for name, value in card["adversarial"]["adversarial"].items()}
    assert found["adversarial"] == robust
    assert basis["images"] == {"clean": 80, "corrupted": 80, "adversarial": 80}
    assert basis["corruptions"] == card["normal"]["corruptions"]
