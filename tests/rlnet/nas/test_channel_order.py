"""Sorting the supernet's channels: what was trained computes what it did, and a resumed training sorts as one that was not."""

import dataclasses
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rlnet.attacks import AttackConfig
from rlnet.data import DataConfig
from rlnet.models import ModeNetwork
from rlnet.models.batch_norm import SyncedBatchNorm2d
from rlnet.models.building import build_specification
from rlnet.models.elastic import ELASTIC, activate
from rlnet.models.specifications.specification import Specification
from rlnet.nas import supernet as supernet_stage
from rlnet.nas.channel_order import sort_channels
from rlnet.nas.config import EvolutionConfig, LargestConfig, NasConfig, SupernetConfig
from rlnet.nas.experiment import NasExperiment
from rlnet.nas.proard import ALL, MobileNetV3Space, ProgressiveSpace, ResNet50Space
from rlnet.nas.space_config import SpaceConfig

from .searches import interrupt

SPACES = {
    "resnet50": ResNet50Space(8, 2),
    "mbv3": MobileNetV3Space("relu", 0.1, 2),
    "mbv3-published": MobileNetV3Space("published", 0.1, 2),
}
IMAGES = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def trained_a_step(space: ProgressiveSpace) -> tuple[ModeNetwork, torch.optim.Optimizer]:
    """A supernet with statistics of its own in every batch norm, and an optimizer with momentum."""
    torch.manual_seed(0)
    network = build_specification(space.largest, 10, (0.5,) * 3, (0.5,) * 3, "dual", ELASTIC)
    for module in network.modules():
        if isinstance(module, SyncedBatchNorm2d):
            module.momentum = 1.0  # statistics are those of the last batch
            for tensor in (module.weight, module.bias):
                nn.init.uniform_(tensor, 0.3, 0.7)
    for mode in ("normal", "adversarial"):
        network.train()(torch.rand(16, 3, 16, 16), mode=mode)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9)
    step(network, optimizer)
    return network, optimizer


def step(network: ModeNetwork, optimizer: torch.optim.Optimizer) -> None:
    network.eval()
    optimizer.zero_grad()
    F.cross_entropy(network(IMAGES) + network(IMAGES, mode="adversarial"), torch.arange(4)).backward()
    optimizer.step()


def outline(spec: Specification) -> nn.Module:
    with torch.device("meta"):
        return build_specification(spec, 10, (0.5,) * 3, (0.5,) * 3, "dual")


@torch.no_grad()
def logits(network: ModeNetwork, spec: Specification) -> Tensor:
    """Of a sub-network, in both modes (2, B, K)."""
    activate(network, outline(spec))
    found = torch.stack([network.eval()(IMAGES, mode=mode) for mode in ("normal", "adversarial")])
    activate(network, outline(LARGEST[network]))
    return found


LARGEST: dict[nn.Module, Specification] = {}


@pytest.mark.parametrize("name", SPACES)
def test_the_largest_network_stays_what_it_is(name: str) -> None:
    """To 1e-5, in both modes, also after the next step with the momentum of before; a smaller one becomes another."""
    space = SPACES[name]
    (network, optimizer), (other, its_optimizer) = trained_a_step(space), trained_a_step(space)
    LARGEST[network] = LARGEST[other] = space.largest
    sort_channels(network, optimizer, [outline(space.largest)])
    torch.testing.assert_close(logits(network, space.largest), logits(other, space.largest), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits(network, space.smallest), logits(other, space.smallest), atol=1e-3)
    step(network, optimizer)
    step(other, its_optimizer)
    torch.testing.assert_close(logits(network, space.largest), logits(other, space.largest), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SPACES)
def test_all_that_was_trained_stays_what_it_is(name: str) -> None:
    """The second time, networks of the first narrower choice too, whatever their widths or kernels."""
    space = SPACES[name]
    network, optimizer = trained_a_step(space)
    LARGEST[network] = space.largest
    trained = [space.alike(expansion, other) for expansion in (1, 2) for other in ALL]
    before, smallest = [logits(network, spec) for spec in trained], logits(network, space.smallest)
    sort_channels(network, optimizer, [outline(spec) for spec in trained])
    for spec, logits_before in zip(trained, before, strict=True):
        torch.testing.assert_close(logits(network, spec), logits_before, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits(network, space.smallest), smallest, atol=1e-3)


def test_the_most_important_channels_come_first() -> None:
    """By the L1 norm of what reads them, between the widths that were trained."""
    space = SPACES["resnet50"]
    network, optimizer = trained_a_step(space)
    sort_channels(network, optimizer, [outline(space.largest)])
    block = network.stages[0]["1"]
    for conv in (block.conv2, block.conv3):
        norms = conv.weight.abs().sum(dim=(0, 2, 3))
        assert (norms.diff() <= 0).all() and len(norms.unique()) > 2


def experiment(runs: Path, epochs: int, **options: object) -> NasExperiment:
    config = NasConfig(
        max_relus=None,
        device="cpu",
        precision="fp32",
        space=SpaceConfig(width=0.03),
        data=DataConfig(train_limit=100, test_limit=20),
        attack=AttackConfig(steps=1),
        largest=LargestConfig(epochs=1, batch_size=32),
        supernet=SupernetConfig(epochs=epochs, batch_size=64, validate_every=epochs, **options),
        evolution=EvolutionConfig(calibration_images=16),
        runs=runs,
    )
    return NasExperiment(config)


def test_when_channels_are_sorted(tmp_path: Path) -> None:
    """Before the first epochs of both phases of expansion; after all of these in one, once."""
    for epochs, sorted_before in ((10, [4, 5]), (5, [2]), (3, [1]), (2, [0, 1]), (1, [0])):
        found = experiment(tmp_path, epochs)
        assert [e for e in range(epochs) if supernet_stage.trained_until(found, e) is not None] == sorted_before
    assert supernet_stage.trained_until(experiment(tmp_path, 1), 0) == [found.space.largest]
    for options in ({"sort_channels": False}, {"sampling": "random"}):
        assert supernet_stage.trained_until(experiment(tmp_path, 1, **options), 0) is None


def test_a_resumed_training_does_not_sort_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in the epoch of the second sorting: the weights are those of a training that was not."""
    sortings = []

    def noted(*arguments: object) -> None:
        sortings.append(1)
        sort_channels(*arguments)

    monkeypatch.setattr(supernet_stage, "sort_channels", noted)
    whole = supernet_stage.run(experiment(tmp_path / "whole", 2)).state_dict()
    assert len(sortings) == 2
    interrupt(monkeypatch, supernet_stage, "draw", lambda _, *place: place == (1, 0))
    with pytest.raises(KeyboardInterrupt):
        supernet_stage.run(experiment(tmp_path / "resumed", 2))
    resumed = supernet_stage.run(experiment(tmp_path / "resumed", 2)).state_dict()
    assert len(sortings) == 2 + 3 and all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_largest_network_by_trades(tmp_path: Path) -> None:
    """Its terms are those of the paper, and of the other path; a bad weight is refused."""
    found = experiment(tmp_path, 1)
    config = dataclasses.replace(found.config, largest=dataclasses.replace(found.config.largest, objective="trades"))
    supernet_stage.run(NasExperiment(config))
    (metrics,) = NasExperiment(config).largest_folder.read_metrics()
    assert {"ce_trades", "kl_trades", "ce_clean"} <= set(metrics)
    with pytest.raises(ValueError, match=r"objective.beta is -1"):
        LargestConfig(objective="trades", beta=-1)
