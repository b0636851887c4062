"""The seed decides every number: the same one gives the same bits, another one gives others; workers change nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import rlnet
from masks import load_masks
from rlnet.config import Config
from rlnet.finetune import finetune, main
from rlnet.mask_search import search_masks
from rlnet.stages.experiment import Experiment
from rlnet.teacher import train_teacher

pytestmark = pytest.mark.usefixtures("no_pictures")

MASKS = "digits/relu-3133/masks/masks.json"


def test_the_same_seed_twice(
    tmp_path: Path, tiny: Callable[..., Config], uninterrupted: Path, same_run: Callable[[Path, Path], None]
) -> None:
    """Whatever the global generators were before, and stage by stage as in one go."""
    torch.manual_seed(12345)
    train_teacher(tiny(tmp_path))
    torch.rand(7)
    search_masks(tiny(tmp_path))
    finetune(tiny(tmp_path))
    same_run(tmp_path, uninterrupted)


def test_global_generators_are_left_alone(uninterrupted: Path, tmp_path: Path, tiny: Callable[..., Config]) -> None:
    before = torch.get_rng_state()
    train_teacher(tiny(tmp_path, teacher={"epochs": 1}))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # from Python 3.12 on
def test_worker_processes_change_nothing(
    tmp_path: Path, flags: Callable[..., list[str]], uninterrupted: Path, same_run: Callable[[Path, Path], None]
) -> None:
    assert main(flags(tmp_path, workers=2)) == 0
    same_run(tmp_path, uninterrupted)


def test_another_seed(tmp_path: Path, tiny: Callable[..., Config], uninterrupted: Path) -> None:
    """Other images held out, other batches, weights, masks and losses; the same test set and budget."""
    short = {name: {"epochs": 1} for name in ("teacher", "search", "finetune")}
    config = tiny(tmp_path, seed=1, **short)
    ours, theirs = Experiment(config), Experiment(tiny(tmp_path, **short))
    assert not torch.equal(ours.data.train.images, theirs.data.train.images)
    assert torch.equal(ours.data.test.images, theirs.data.test.images)
    batches = [next(iter(experiment.batches(config.teacher).epoch(0))) for experiment in (ours, theirs)]
    assert not torch.equal(batches[0].x, batches[1].x)
    student = finetune(config)
    masks, others = load_masks(tmp_path / MASKS), load_masks(uninterrupted / MASKS)
    assert sum(int((masks[name] ^ others[name]).sum()) for name in masks) > 300
    assert sum(int(mask.sum()) for mask in masks.values()) == 3_133
    other = rlnet.load(uninterrupted / "digits/relu-3133")
    assert not torch.equal(student.network.fc.weight, other.fc.weight)
    losses = [
        json.loads((runs / "digits/teacher/metrics.jsonl").read_text().splitlines()[0])["loss"]
        for runs in (tmp_path, uninterrupted)
    ]
    assert losses[0] != losses[1]


def test_epochs_differ_within_a_run(tmp_path: Path, tiny: Callable[..., Config]) -> None:
    """Each epoch sees other batches, and each image otherwise cropped, augmented and attacked."""
    experiment = Experiment(tiny(tmp_path))
    batches = experiment.batches(experiment.config.teacher)
    first, second = (next(iter(batches.epoch(epoch))) for epoch in (0, 1))
    assert not torch.equal(first.index, second.index)
    whole = experiment.batches(tiny(tmp_path, teacher={"batch_size": 90}).teacher)
    by_epoch = [next(iter(whole.epoch(epoch))) for epoch in (0, 1)]
    in_order = [(batch.x[batch.index.argsort()], batch.x_augmented[batch.index.argsort()]) for batch in by_epoch]
    for ours, theirs in zip(*in_order, strict=True):
        assert (ours != theirs).flatten(1).any(dim=1).float().mean() > 0.9
    network = experiment.new_network(0)
    x = torch.full((2, 3, 32, 32), 0.5)
    attacked = [
        experiment.views.adversarial(network, lambda logits: logits.sum(), x, epoch, step)
        for epoch, step in ((0, 0), (0, 1), (1, 0), (0, 0))
    ]
    assert torch.equal(attacked[0], attacked[3])
    assert not torch.equal(attacked[0], attacked[1]) and not torch.equal(attacked[0], attacked[2])
    assert not torch.equal(attacked[0][0], attacked[0][1])
