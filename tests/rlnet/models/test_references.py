"""The networks against torchvision's blocks, and against a forward pass written as functions of the weights."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from rlnet.models import ModeNetwork, NetworkConfig, build

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
BLOCKS = {"resnet18": [2, 2, 2, 2], "resnet34": [3, 4, 6, 3]}


def torchvision_resnet(ours: ModeNetwork, name: str) -> nn.Module:
    """Torchvision's network with the stem for small images and the weights of ours, a single-BN network of width 64."""
    theirs = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, BLOCKS[name], num_classes=7)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    state = {}
    for key, value in ours.state_dict().items():
        if key in ("mean", "std"):
            continue
        key = key.replace(".bn.paths.shared.", "#")  # layer1.0.conv1#weight is the batch norm's, conv1.weight the convolution's
        key = key.replace("shortcut#", "downsample.1.").replace("shortcut.", "downsample.0.")
        key = key.replace("conv1#", "bn1.").replace("conv2#", "bn2.")
        state[key] = value
    theirs.load_state_dict(state)
    return theirs


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_resnet_is_torchvisions(name: str, generator: torch.Generator) -> None:
    """One training step: logits, statistics, gradients; and the logits in eval mode after it. Images are normalised inside."""
    ours = build(NetworkConfig(name, 64, "single"), 7, MEAN, STD).train()
    theirs = torchvision_resnet(ours, name).train()
    x, labels = torch.rand(4, 3, 8, 8, generator=generator), torch.tensor([0, 3, 6, 3])
    normalised = torchvision.transforms.functional.normalize(x, MEAN, STD)
    logits = ours(x), theirs(normalised)
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-4)
    for each in logits:
        F.cross_entropy(each, labels).backward()
    torch.testing.assert_close(ours.conv1.weight.grad, theirs.conv1.weight.grad, rtol=1e-2, atol=1e-4)
    torch.testing.assert_close(ours.fc.weight.grad, theirs.fc.weight.grad, rtol=1e-3, atol=1e-5)
    pairs = [(ours.conv1.bn, theirs.bn1), (ours.layer4[1].conv2.bn, theirs.layer4[1].bn2)]
    pairs.append((ours.layer2[0].shortcut.bn, theirs.layer2[0].downsample[1]))
    for norm, expected in pairs:
        torch.testing.assert_close(norm.current.running_mean, expected.running_mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.current.running_var, expected.running_var, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(x), theirs.eval()(normalised), rtol=1e-4, atol=1e-4)


def functional_wrn(state: dict[str, Tensor], x: Tensor, path: str) -> Tensor:
    """WRN-22-8 as functions of its weights, along one batch-norm path in eval mode."""

    def activation(key: str, x: Tensor) -> Tensor:
        weight, bias, mean, var = (
            state[f"{key}.paths.{path}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias", "running_mean", "running_var")
        )
        return ((x - mean) / (var + 1e-5).sqrt() * weight + bias).clamp(min=0)

    x = F.conv2d((x - state["mean"]) / state["std"], state["conv1.weight"], padding=1)
    for group in (1, 2, 3):
        for block in (0, 1, 2):
            key = f"group{group}.{block}"
            stride = 2 if group > 1 and block == 0 else 1
            a = activation(f"{key}.bn1", x)
            out = F.conv2d(a, state[f"{key}.conv1.weight"], stride=stride, padding=1)
            out = F.conv2d(activation(f"{key}.conv1.bn", out), state[f"{key}.conv2.weight"], padding=1)
            x = out + (x if block else F.conv2d(a, state[f"{key}.projection.weight"], stride=stride))
    return activation("bn", x).mean(dim=(2, 3)) @ state["fc.weight"].T + state["fc.bias"]


@pytest.mark.parametrize(("mode", "path"), [("normal", "clean"), ("adversarial", "adversarial")])
def test_wrn_is_the_functional_one(
    mode: str, path: str, tiny_network: Callable[..., ModeNetwork], generator: torch.Generator
) -> None:
    network = tiny_network("wrn22-8")
    x = torch.rand(3, 1, 8, 8, generator=generator)
    with torch.no_grad():
        torch.testing.assert_close(network(x, mode=mode), functional_wrn(network.state_dict(), x, path), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet18", "wrn22-8"])
def test_the_network_normalises_its_input(name: str, generator: torch.Generator) -> None:
    """A network for other statistics sees x as this one sees x shifted and scaled accordingly."""
    statistics = ((MEAN, STD), ((0.5,) * 3, (0.2,) * 3))
    first, second = (build(NetworkConfig(name, 4), 5, mean, std).eval() for mean, std in statistics)
    x = torch.rand(2, 3, 8, 8, generator=generator)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    with torch.no_grad():
        torch.testing.assert_close(first(x), second((x - mean) / std * 0.2 + 0.5))
        assert not torch.allclose(first(x), second(x))
    assert {"mean", "std"} <= first.state_dict().keys()
