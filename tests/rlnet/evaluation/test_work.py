"""What is done is done once: pieces and their keys, the journal, and evaluations that go on after they were stopped."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rlnet.attacks import AttackConfig, Draws, Pixels
from rlnet.data import ImageSet
from rlnet.evaluate import evaluate
from rlnet.evaluation import work
from rlnet.evaluation.journal import Journal
from rlnet.evaluation.paper import paper_accuracies
from rlnet.evaluation.paths import fingerprint, open_paths
from rlnet.evaluation.plan import full_parts
from rlnet.evaluation.settings import EvaluationConfig, FullConfig
from rlnet.evaluation.work import Part, do, pieces_of
from rlnet.models import ModeNetwork, NetworkConfig, Switch, build

CPU = torch.device("cpu")
PATHS = ("normal", "adversarial")
IMAGES = ImageSet(torch.arange(7 * 192).reshape(7, 3, 8, 8).remainder(256).byte(), torch.arange(7) % 5)


def simple(x: Tensor, labels: Tensor, draws: Draws) -> dict[str, Tensor]:
    return {"third": x[:, 0, 3, 3] / 3, "u": draws.uniform(torch.arange(len(x))), "is_0": labels == 0}


def part(name: str = "part", settings: str = "", batch_size: int = 3, **changes: Any) -> Part:
    return Part(name, settings, changes.pop("images", IMAGES), changes.pop("measure", simple), 1, batch_size, **changes)


def test_pieces_are_the_batches_of_a_part() -> None:
    pieces = pieces_of(part(), "network", 0)
    assert [(piece.start, piece.stop) for piece in pieces] == [(0, 3), (3, 6), (6, 7)]
    assert len({piece.key for piece in pieces}) == 3


def test_a_key_changes_with_all_that_an_outcome_depends_on() -> None:
    others = [
        pieces_of(part("other"), "network", 0),
        pieces_of(part(settings="eps"), "network", 0),
        pieces_of(part(batch_size=4), "network", 0),
        pieces_of(part(images=IMAGES.subset(torch.tensor([1, 0, 2]))), "network", 0),
        pieces_of(part(images=ImageSet(IMAGES.images, IMAGES.labels.flip(0))), "network", 0),
        pieces_of(part(images_key="files"), "network", 0),
        pieces_of(part(), "other network", 0),
        pieces_of(part(), "network", 1),
        pieces_of(part(), "network", 0),
    ]
    assert len({pieces[0].key for pieces in others}) == len(others)
    assert pieces_of(part(measure=lambda *_: {}), "network", 0)[0].key == others[-1][0].key


def test_outcomes_are_those_of_all_images_in_order(tmp_path: Path) -> None:
    """Also as they come back from the disk, to the last bit."""
    expected = simple(IMAGES.images.float() / 255, IMAGES.labels, Draws(0, 7))
    for _ in range(2):
        with Journal(tmp_path, 0) as journal:
            (found,) = do([part()], "network", 0, journal, CPU, "test")
        assert torch.equal(found["third"], expected["third"])
        assert found["is_0"].tolist() == [1, 0, 0, 0, 0, 1, 0]


def test_draws_depend_on_the_seed_and_the_place_only() -> None:
    with Journal(None, 0) as journal:
        one, other, again = (
            do(parts, "network", seed, journal, CPU, "test")[-1]["u"]
            for parts, seed in (([part()], 0), ([part()], 1), ([part("before"), part(settings="x")], 0))
        )
    assert torch.equal(one, again) and not torch.equal(one, other) and len(set(one.tolist())) == 7


def test_parts_that_are_the_same_are_measured_once(measured: list[str]) -> None:
    with Journal(None, 0) as journal:
        first, second, third = do([part(), part("other"), part()], "network", 0, journal, CPU, "test")
    assert len(measured) == 6 and torch.equal(first["third"], third["third"]) and torch.equal(first["third"], second["third"])


def test_a_journal_reads_what_every_rank_wrote(tmp_path: Path) -> None:
    for rank in (0, 3):
        with Journal(tmp_path, rank) as journal:
            journal.add(f"of {rank}", {"right": [rank]})
    with Journal(tmp_path, 0) as journal:
        assert journal.found == {"of 0": {"right": [0]}, "of 3": {"right": [3]}}
        journal.delete()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rest", [b'{"key":"b","outc', b"\xff\xfe", b"[]", b'"key"', b'{"key":"b"}', b"null", b"\n\n"])
def test_a_damaged_line_counts_for_nothing_and_spoils_no_other(tmp_path: Path, rest: bytes) -> None:
    with Journal(tmp_path, 0) as journal:
        journal.add("a", {"right": [1]})
    with open(tmp_path / "journal-0.jsonl", "ab") as file:
        file.write(rest)
    with Journal(tmp_path, 0) as journal:
        assert journal.found == {"a": {"right": [1]}}
        journal.add("c", {"right": [0]})
    with Journal(tmp_path, 0) as journal:
        assert journal.found == {"a": {"right": [1]}, "c": {"right": [0]}}


def test_what_was_added_is_on_the_disk_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path, 0) as journal:
        journal.add("a", {"right": [1]})
        assert json.loads((tmp_path / "journal-0.jsonl").read_text()) == {"key": "a", "outcome": {"right": [1]}}


def test_a_fingerprint_changes_with_every_weight_statistic_and_mask(trained: Any) -> None:
    fingerprints = {fingerprint(trained.network), fingerprint(copy.deepcopy(trained.network))}
    assert len(fingerprints) == 1
    names = list(trained.network.state_dict())
    for name in (names[0], names[-1], *(name for name in names if "running_var" in name or "mask" in name)):
        network = copy.deepcopy(trained.network)
        tensor = network.state_dict()[name]
        tensor.view(-1)[0] = ~tensor.view(-1)[0] if tensor.dtype == torch.bool else tensor.view(-1)[0] + 1
        fingerprints.add(fingerprint(network))
    assert len(fingerprints) > 20


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


def all_keys() -> list[str]:
    """The keys of an evaluation with every kind of attack."""
    network = build(NetworkConfig(width=4), 5, (0.5,) * 3, (0.2,) * 3)
    attacks = ("fgsm", "pgd-7x2", "mi-fgsm", "cw", "deepfool", "apgd-dlr", "autoattack", "pgd-20+square-9")
    config = FullConfig(mode="auto", attacks=attacks, corruptions=("fog",))
    with open_paths(network, PATHS, Switch("agreement", 1 / 3)) as paths:
        parts = full_parts(paths, IMAGES, config, CPU, Pixels("8/255"), 0.3, None, None)
    return [piece.key for part in parts.values() for piece in pieces_of(part, fingerprint(network), 0)]


def test_keys_are_the_same_in_every_process() -> None:
    program = f"import runpy; print(*runpy.run_path({__file__!r})['all_keys']())"
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    keys = all_keys()
    assert found.stdout.split() == keys and len(set(keys)) > 40
