"""What is done is done once: pieces and their keys, and the journal that keeps what they found."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rlnet.attacks import Draws, Pixels
from rlnet.data import ImageSet
from rlnet.evaluation.config import FullConfig
from rlnet.evaluation.journal import Journal
from rlnet.evaluation.paths import fingerprint, open_paths
from rlnet.evaluation.plan import full_parts
from rlnet.evaluation.work import Part, do, pieces_of
from rlnet.models import NetworkConfig, Switch, build

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
    changed = [copy.deepcopy(trained.network) for _ in range(len(trained.network.state_dict()) + 2)]
    for network, name in zip(changed, trained.network.state_dict(), strict=False):
        network.state_dict()[name][(0,) * trained.network.state_dict()[name].ndim] += 1
    for network, site in zip(changed[-2:], ("relu1", "relu2"), strict=True):
        mask = network.get_submodule(site).mask
        mask[0, 0, 0] = ~mask[0, 0, 0]
        network.get_submodule(site).mask = mask
    fingerprints.update(map(fingerprint, changed))
    assert len(fingerprints) == 1 + len(changed)


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
