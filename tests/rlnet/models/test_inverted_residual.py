"""Inverted residuals: what they compute, beside torchvision's MobileNetV3; which specifications there are; names and files."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

from masks import find_sites
from rlnet.cli import command
from rlnet.models import NetworkConfig, build
from rlnet.models.building import build_specification
from rlnet.models.inverted_residual import HSwish, add_first
from rlnet.models.onnx_file import export
from rlnet.models.specifications.inverted_residual import Block, InvertedResidualSpec, rounded
from rlnet.models.specifications.published import mobilenet_v3
from rlnet.models.specifications.reading import parse
from rlnet.models.specifications.zoo import ZOO

GREY = ((0.4,), (0.3,))
TINY = InvertedResidualSpec(stages=((Block(3, 8, 4, residual=True), Block(5, 12, 6, stride=2)),), stem=4, head=(9,), bias=True)


def randomise(network: nn.Module, generator: torch.Generator) -> nn.Module:
    """As if trained: no batch norm is the identity."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.weight, module.running_var):
                    tensor.uniform_(0.5, 1.5, generator=generator)
                for tensor in (module.bias, module.running_mean):
                    tensor.uniform_(-0.5, 0.5, generator=generator)
    return network.eval()


def test_published_mobilenets_are_those_of_torchvision(generator: torch.Generator) -> None:
    """Weights copied in order; torchvision's layer of features has a bias, set to 0 here."""
    depths, kernels = (2, 1, 2, 1, 2), (3, 5, 7, 3, 5)
    sizes = [(k,) * n for n, k in zip(depths, kernels, strict=True)]
    spec = mobilenet_v3(sizes, [(3,) * n for n in depths], "published", stem_stride=2)
    settings, c = [], spec.stem
    for block in (block for stage in spec.stages for block in stage):
        act = "RE" if block.act == "relu" else "HS"
        settings.append(InvertedResidualConfig(c, block.kernel, block.mid, block.out, block.se, act, block.stride, 1, 1.0))
        c = block.out
    reference = MobileNetV3(settings, spec.head[1], 5, norm_layer=nn.BatchNorm2d)
    randomise(reference, generator)
    network = build_specification(spec, 5, (0.0,) * 3, (1.0,) * 3, "single").eval()
    theirs = {name: tensor for name, tensor in reference.state_dict().items() if name != "classifier.0.bias"}
    reference.classifier[0].bias.data.zero_()
    ours = {name: tensor for name, tensor in network.state_dict().items() if name not in ("mean", "std")}
    for target, source in zip(ours.values(), theirs.values(), strict=True):
        target.copy_(source.view_as(target))
    images = torch.rand(2, 3, 40, 40, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(network(images), reference(images), rtol=1e-5, atol=1e-6)


def test_h_swish(generator: torch.Generator) -> None:
    x = 4 * torch.randn(100, generator=generator)
    torch.testing.assert_close(HSwish()(x), x * (x + 3).clamp(0, 6) / 6)


def test_rounding() -> None:
    """To the nearest multiple of 8, upwards where that would take more than a tenth; at least 8."""
    assert [rounded(c) for c in (1, 8, 11, 12, 18, 20.8, 41.6, 51.2, 72, 89)] == [8, 8, 16, 16, 24, 24, 40, 48, 72, 88]


def test_a_sum_is_of_the_first_channels(generator: torch.Generator) -> None:
    out, x = torch.rand(2, 3, 4, 4, generator=generator), torch.rand(2, 5, 4, 4, generator=generator)
    assert torch.equal(add_first(out, x), out + x[:, :3])
    wide = add_first(x, out)
    assert torch.equal(wide[:, :3], x[:, :3] + out) and torch.equal(wide[:, 3:], x[:, 3:])


def test_sites_and_stages() -> None:
    network = build_specification(TINY, 5, *GREY, "dual")
    shapes = {"relu": (4, 4, 4), "stages.0.0.relu1": (8, 4, 4), "stages.0.0.relu2": (8, 4, 4)}
    shapes |= {"stages.0.1.relu1": (12, 4, 4), "stages.0.1.relu2": (12, 2, 2), "head_relu": (9, 2, 2)}
    assert find_sites(network, torch.zeros(1, 1, 8, 8)) == shapes
    assert network.stage_sites == ("stages.0.1.relu2",)


@pytest.mark.parametrize("name", ZOO)
def test_specifications_survive_their_files(name: str, tmp_path: Path) -> None:
    spec = ZOO[name]()
    spec.save(tmp_path / "spec.json")
    read = NetworkConfig(str(tmp_path / "spec.json"))
    assert read.specification == spec and hash(read.specification) == hash(spec)
    assert read.name == spec.family and NetworkConfig(name).spec == read.spec
    assert NetworkConfig(name, spec=read.spec) == NetworkConfig(name)  # as a configuration that was saved is read again


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Block(4, 8, 8), "no inverted residual block like"),
        (lambda: Block(3, 0, 8), "no inverted residual block like"),
        (lambda: Block(3, 8.0, 8), "no inverted residual block like"),
        (lambda: Block(3, 8, True), "no inverted residual block like"),
        (lambda: Block(3, 8, 8, stride=3), "no inverted residual block like"),
        (lambda: Block(3, 8, 8, act="swish"), "no inverted residual block like"),
        (lambda: Block(3, 8, 8, se="yes"), "no inverted residual block like"),
        (lambda: Block(3, 8, 8, stride=2, residual=True), "keeps the resolution"),
        (lambda: replace(TINY, stages=()), "1 or more blocks in each stage"),
        (lambda: replace(TINY, stages=((),)), "1 or more blocks in each stage"),
        (lambda: replace(TINY, stem=0), "a stem of 1 or more channels"),
        (lambda: replace(TINY, stem_stride=4), "of stride 1 or 2"),
        (lambda: replace(TINY, head=(1, 2, 3)), "a head is at most two numbers"),
        (lambda: replace(TINY, act="gelu"), "act is one of relu, hswish"),
        (lambda: replace(TINY, stages=((Block(3, 8, 8, expands=False),),)), "as wide inside as its input, 4 channels"),
    ],
)
def test_impossible_specifications(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": 2}, "is of version 2, this program reads version 1"),
        ({"family": "transformer"}, "is of the family 'transformer'; known: inverted-residual, "),
        ({"stages": 3}, r"cannot be built \("),
        ({"stages": [[{"kernel": 3}]]}, r"cannot be built \("),
        ({"colour": "red"}, r"cannot be built \(.*colour"),
    ],
)
def test_files_of_something_else(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(TINY.plain() | changes))
    with pytest.raises(ValueError, match=rf"spec\.json {words}"):
        NetworkConfig(str(tmp_path / "spec.json"))


def test_damaged_files_and_unknown_names(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text("{")
    with pytest.raises(ValueError, match=r"spec\.json is damaged"):
        NetworkConfig(str(tmp_path / "spec.json"))
    with pytest.raises(ValueError, match=r"the specification is no architecture"):
        parse([1])
    with pytest.raises(ValueError, match=r"no network 'rnas-cl-s3-rule', did you mean rnas-cl-s3-relu\?"):
        NetworkConfig("rnas-cl-s3-rule")
    with pytest.raises(ValueError, match=r"network\.width is of resnet18, .*; the specification of rnas-cl-s3 says"):
        NetworkConfig("rnas-cl-s3", width=8)
    with pytest.raises(FileNotFoundError):
        NetworkConfig(str(tmp_path / "none.json"))


@dataclass
class Settings:
    """A command with a network."""

    device: str = "cpu"
    network: NetworkConfig = field(default_factory=NetworkConfig)


def test_the_command_line_takes_a_name_or_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a bad name ends it with one line."""
    TINY.save(tmp_path / "spec.json")
    seen: list[NetworkConfig] = []

    def note(settings: Settings) -> None:
        seen.append(settings.network)

    for arguments in (
        ["--network", "rnas-cl-s3-relu"],
        ["--network=proard-resnet50-min", "--network.batch_norm=single"],
        [f"--network={tmp_path / 'spec.json'}"],
    ):
        assert command(note, Settings, arguments) == 0
    assert [config.specification for config in seen] == [ZOO["rnas-cl-s3-relu"](), ZOO["proard-resnet50-min"](), TINY]
    assert [config.batch_norm for config in seen] == ["dual", "single", "dual"]
    assert {(config.width, config.stem_stride) for config in seen} == {(None, None)}  # not the default network's
    assert command(note, Settings, ["--network=rnas-cl-s3-rule"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "did you mean rnas-cl-s3-relu?" in line and len(seen) == 3


def test_onnxruntime_agrees(tmp_path: Path, generator: torch.Generator) -> None:
    network = randomise(build(NetworkConfig("rnas-cl-s3-relu"), 5, *GREY), generator)
    export(network, (1, 16, 16), tmp_path / "student.onnx", "adversarial")
    images = torch.rand(3, 1, 16, 16, generator=generator)
    session = onnxruntime.InferenceSession(tmp_path / "student.onnx", providers=["CPUExecutionProvider"])
    found: Tensor = torch.from_numpy(session.run(["logits"], {"image": images.numpy()})[0])
    with torch.no_grad():
        expected = network(images, mode="adversarial")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4 * max(1.0, expected.abs().max().item()))
