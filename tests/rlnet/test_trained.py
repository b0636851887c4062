"""A trained network as a file: bit for bit the same network again, and a clear error for every file that is none."""

import copy
import pickle
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import rlnet
from masks import find_sites, get_masks, masks_of
from rlnet.attacks import AttackConfig, Pixels
from rlnet.data import DataConfig
from rlnet.models import ModeNetwork, NetworkConfig, Switch
from rlnet.runs import find
from rlnet.trained import Facts, Origin, load_with_facts, origin_of, read_switch, to_content, write_switch
from rlnet.training import checkpoint

FACTS = Facts(NetworkConfig("resnet18", width=4), "toy", tuple("abcde"), (1, 8, 8), (0.4,), (0.3,))
LAYOUT = torch.channels_last


@pytest.fixture
def student(tiny_network: Callable[..., ModeNetwork]) -> ModeNetwork:
    return tiny_network(keep=0.4)


@pytest.fixture
def file(tmp_path: Path, student: ModeNetwork) -> Path:
    path = tmp_path / "best.pt"
    checkpoint.save(path, to_content(student, FACTS))
    return path


def same(a: ModeNetwork, b: ModeNetwork) -> bool:
    """Whether weights, statistics and masks are equal bit for bit."""
    states, masks = (a.state_dict(), b.state_dict()), (get_masks(a), get_masks(b))
    return all(
        first.keys() == second.keys()
        and all(first[name].dtype == second[name].dtype and torch.equal(first[name], second[name]) for name in first)
        for first, second in (states, masks)
    )


@pytest.mark.parametrize("keep", [None, 0.0, 0.4, 1.0])
@pytest.mark.parametrize(("name", "kind"), [("resnet18", "single"), ("resnet34", "dual"), ("wrn22-8", "triple")])
def test_round_trip(
    tmp_path: Path,
    tiny_network: Callable[..., ModeNetwork],
    generator: torch.Generator,
    name: str,
    kind: str,
    keep: float | None,
) -> None:
    """Bit for bit: weights, statistics, masks, facts, the logits in either mode. Ready for use, in channels_last."""
    network, path = tiny_network(name, kind, keep).train(), tmp_path / "any name.pt"
    facts = Facts(NetworkConfig(name, 4, kind), "toy", tuple("abcde"), (1, 8, 8), (0.4,), (0.3,))
    checkpoint.save(path, to_content(network, facts))
    loaded, loaded_facts = load_with_facts(path)
    assert same(loaded, network)
    assert loaded_facts == facts
    assert not loaded.training
    assert loaded.fc.weight.is_contiguous() and loaded.get_submodule("conv1").weight.is_contiguous(memory_format=LAYOUT)
    network, images = network.eval().to(memory_format=LAYOUT), torch.rand(3, 1, 8, 8, generator=generator)
    with torch.no_grad():
        for mode in ("normal", "adversarial"):
            assert torch.equal(loaded(images, mode=mode), network(images, mode=mode))


def test_saving_again_what_was_loaded_gives_the_same(tmp_path: Path, file: Path, student: ModeNetwork) -> None:
    network, facts = load_with_facts(file)
    checkpoint.save(tmp_path / "again.pt", to_content(network, facts))
    assert same(rlnet.load(tmp_path / "again.pt"), student)


def test_a_folder_means_its_best_checkpoint(tmp_path: Path, file: Path, student: ModeNetwork) -> None:
    """The stage's folder, or that of the budget, whose student it means."""
    budget = tmp_path / "relu-50k"
    (budget / "student").mkdir(parents=True)
    file.rename(budget / "student" / "best.pt")
    for path in (budget, budget / "student", str(budget / "student"), budget / "student" / "best.pt"):
        assert find(path) == budget / "student" / "best.pt"
        assert same(rlnet.load(path), student)


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_no_checkpoint_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"is neither a checkpoint nor the folder of a finished stage"):
        rlnet.load(tmp_path / name)


def test_all_relu_sites_keep_everything(tiny_network: Callable[..., ModeNetwork]) -> None:
    network = tiny_network(keep=0.4)
    sites = find_sites(network, FACTS.example)
    masks = masks_of(network, sites)
    assert list(masks) == list(sites)
    assert masks["relu"].all() and masks["relu"].shape == sites["relu"]  # the one site that is not partial
    assert torch.equal(masks["layer4.1.relu2"], network.layer4[1].relu2.mask)


def refuse(path: Path, reason: str) -> None:
    """It is a ValueError that names the file and says why."""
    with pytest.raises(ValueError, match=reason) as caught:
        rlnet.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "foreign", [{"state_dict": {"fc.weight": torch.ones(2)}}, torch.ones(3), [1, 2], {"format": "other"}, None]
)
def test_torch_files_of_others(tmp_path: Path, foreign: Any) -> None:
    torch.save(foreign, tmp_path / "foreign.pt")
    refuse(tmp_path / "foreign.pt", "is a torch file, but not a checkpoint of this program")


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", b"PK\x03\x04 nor an archive", pickle.dumps({"format": checkpoint.FORMAT})]
)
def test_files_that_are_no_torch_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    refuse(path, "is damaged or not a checkpoint of this program" if content else "is empty; name another file")


def test_other_versions(tmp_path: Path, student: ModeNetwork) -> None:
    content = to_content(student, FACTS) | {"format": checkpoint.FORMAT, "version": 2}
    torch.save(content, tmp_path / "new.pt")
    refuse(tmp_path / "new.pt", "has version 2, this program reads 1; use the one that wrote it")


def test_a_truncated_file(file: Path) -> None:
    data = file.read_bytes()
    for length in [*range(1, len(data), len(data) // 23), len(data) - 1]:
        file.write_bytes(data[:length])
        refuse(file, "is damaged or not a checkpoint of this program")


def test_a_flipped_bit(file: Path, student: ModeNetwork) -> None:
    """Wherever it is: an error, or a bit that means nothing. Never another network."""
    data, rng, refused = file.read_bytes(), random.Random(0), 0
    for _ in range(60):
        place = rng.randrange(len(data))
        file.write_bytes(data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :])
        try:
            network = rlnet.load(file)
        except ValueError:
            refused += 1
        else:
            assert same(network, student)
    assert refused > 30  # the weights are most of the file


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("dump", ["torch", "legacy torch", "pickle"])
def test_nothing_in_a_file_is_executed(tmp_path: Path, student: ModeNetwork, dump: str) -> None:
    marker, path = tmp_path / "executed", tmp_path / "bomb.pt"
    content = to_content(student, FACTS) | {"format": checkpoint.FORMAT, "version": checkpoint.VERSION, "epoch": Bomb(marker)}
    with path.open("wb") as file:
        if dump == "pickle":
            pickle.dump(content, file)
        else:
            torch.save(content, file, _use_new_zipfile_serialization=dump == "torch")
    refuse(path, "is damaged or not a checkpoint of this program")
    assert not marker.exists()
    torch.load(path, weights_only=False) if dump != "pickle" else pickle.loads(path.read_bytes())
    assert marker.exists()  # it is a bomb: who trusts it is hit


def without(content: dict, key: str) -> None:
    del content[key]


def other_shape(content: dict, shape: tuple[int, ...]) -> None:
    content["masks"]["layer1.0.relu1"] = torch.ones(shape, dtype=torch.bool)


WRONG: dict[str, Callable[[dict], Any]] = {
    "no weights": lambda c: without(c, "weights"),
    "no masks": lambda c: without(c, "masks"),
    "no facts": lambda c: without(c, "facts"),
    "facts of another kind": lambda c: c.update(facts=[1, 2]),
    "a fact missing": lambda c: without(c["facts"], "mean"),
    "a fact too many": lambda c: c["facts"].update(more=1),
    "unknown architecture": lambda c: c["facts"]["network"].update(name="vgg16"),
    "unknown batch norm": lambda c: c["facts"]["network"].update(batch_norm="quadruple"),
    "width 0": lambda c: c["facts"]["network"].update(width=0),
    "width in words": lambda c: c["facts"]["network"].update(width="wide"),
    "weights of another width": lambda c: c["facts"]["network"].update(width=8),
    "weights of more classes": lambda c: c["facts"].update(classes=list("abcdef")),
    "weights of another batch norm": lambda c: c["facts"]["network"].update(batch_norm="single"),
    "images of another shape": lambda c: c["facts"].update(image_shape=[1, 16, 16]),
    "images of more channels": lambda c: c["facts"].update(image_shape=[3, 8, 8]),
    "images in words": lambda c: c["facts"].update(image_shape="large"),
    "a weight missing": lambda c: without(c["weights"], "fc.bias"),
    "a weight too many": lambda c: c["weights"].update(more=torch.ones(1)),
    "a weight of another shape": lambda c: c["weights"].update({"fc.bias": torch.ones(6)}),
    "a mask that fits nowhere": lambda c: other_shape(c, (4, 7, 7)),
    "a mask that broadcasts": lambda c: other_shape(c, (4, 1, 1)),
    "a mask without channels": lambda c: other_shape(c, (8, 8)),
    "a mask for no site": lambda c: c["masks"].update(conv1=torch.ones(4, 8, 8, dtype=torch.bool)),
    "a mask of numbers": lambda c: c["masks"].update(relu=torch.ones(4, 8, 8)),
    "a mask in words": lambda c: c["masks"].update(relu="all"),
    "masks of another kind": lambda c: c.update(masks=3),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_contents_that_do_not_fit(tmp_path: Path, student: ModeNetwork, wrong: str) -> None:
    content = copy.deepcopy(to_content(student, FACTS))
    WRONG[wrong](content)
    checkpoint.save(tmp_path / "wrong.pt", content)
    refuse(tmp_path / "wrong.pt", "holds no network that this program can build|do not have the shapes of their sites")


def test_a_switch_is_kept_beside_the_network(tmp_path: Path, file: Path) -> None:
    """Score and threshold, to the last bit; without the file there is none."""
    assert rlnet.load(file).switch is None
    switch = Switch("agreement", 1 / 3)
    write_switch(tmp_path, {**vars(switch), "clean_loss": 0.01})
    assert rlnet.load(file).switch == read_switch(tmp_path) == switch


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"score": "agreement"}', '{"score": "luck", "threshold": 0.5}'])
def test_a_damaged_switch_is_named(tmp_path: Path, file: Path, content: str) -> None:
    (tmp_path / "switch.json").write_text(content)
    with pytest.raises(ValueError, match=r"switch.json is damaged .*run python -m rlnet.calibrate again"):
        rlnet.load(file)


def test_origin_without_a_stage_folder_is_the_data_set_with_defaults(file: Path) -> None:
    found = origin_of(file, replace(FACTS, dataset="folder:pictures"))
    assert found == Origin(DataConfig("folder", "pictures"), AttackConfig(), 0)


def test_origin_is_what_the_stage_folder_says(tmp_path: Path, file: Path) -> None:
    config = {"data": {"name": "digits", "test_limit": 60}, "attack": {"eps": "4/255", "step_size": "1/255"}, "seed": 3}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    found = origin_of(file, FACTS)
    assert found == Origin(DataConfig("digits", test_limit=60), AttackConfig(Pixels("4/255"), Pixels("1/255")), 3)
    for damaged in ("seed: 3", "- 1", "{", "data: {nam: digits}"):
        (tmp_path / "config.yaml").write_text(damaged)
        with pytest.raises(ValueError, match=r"config.yaml is damaged .*copy it from another stage of this run"):
            origin_of(file, FACTS)
