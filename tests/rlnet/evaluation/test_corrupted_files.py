"""The benchmark's own files in an evaluation: used for the corruptions that they hold, and measured again when they change."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rlnet.accuracy import random_part
from rlnet.data import DataConfig, ImageSet
from rlnet.data.corrupted_sets import CIFAR10_CLASSES, CorruptedSet, official
from rlnet.data.corruptions import CORRUPTIONS, corrupt
from rlnet.evaluation.config import FullConfig
from rlnet.evaluation.full import evaluate

COUNT = 40
LABELS = torch.arange(COUNT) * 7 % 10
Settings = Callable[..., FullConfig]


def pixels(name: str, severity: int) -> np.ndarray:
    rng = np.random.default_rng([len(name), ord(name[1]), severity])
    return rng.integers(256, size=(COUNT, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CorruptedSet:
    """CIFAR-10-C of 40 images: the fifteen corruptions and spatter."""
    folder = tmp_path_factory.mktemp("data") / "CIFAR-10-C"
    folder.mkdir()
    for name in (*CORRUPTIONS, "spatter"):
        np.save(folder / f"{name}.npy", np.concatenate([pixels(name, severity) for severity in range(1, 6)]))
    np.save(folder / "labels.npy", np.tile(LABELS.numpy(), 5).astype(np.uint8))
    found = official(DataConfig("cifar10", str(folder.parent)), CIFAR10_CLASSES, (3, 32, 32))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """Linear on 4x4 means, blind to brightness, so that noise decides its answers."""
    torch.manual_seed(0)
    linear = nn.Linear(48, 10, bias=False)
    linear.weight.data -= linear.weight.data.mean(dim=1, keepdim=True)
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), linear).eval()


@pytest.fixture(scope="module")
def test() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    return ImageSet(torch.randint(256, (COUNT, 3, 32, 32), generator=generator, dtype=torch.uint8), LABELS)


def accuracy(network: nn.Module, x: Tensor, labels: Tensor) -> float:
    return float((network(x).argmax(dim=1) == labels).double().mean())


def from_file(name: str, severity: int) -> Tensor:
    return torch.from_numpy(pixels(name, severity)).movedim(3, 1).float() / 255


def test_corruptions_that_the_files_hold_are_read_and_others_are_made(
    files: CorruptedSet, network: nn.Module, test: ImageSet, quick: Settings
) -> None:
    config = quick(attacks=(), corruptions=("contrast", "fog", "spatter", "saturate"))
    card = evaluate(network, test, config, corrupted=files)
    found = card["modes"]["normal"]["corruptions"]
    assert card["corruptions"] == "CIFAR-10-C" and list(found) == ["fog", "contrast", "spatter", "saturate"]
    for severity in range(1, 6):
        for name in ("fog", "contrast", "spatter"):
            assert found[name][severity - 1] == pytest.approx(accuracy(network, from_file(name, severity), LABELS))
        x = corrupt(test.images.float() / 255, "saturate", severity, generator=torch.Generator())
        assert found["saturate"][severity - 1] == pytest.approx(accuracy(network, x, LABELS))


def test_without_files_all_are_made(files: CorruptedSet, network: nn.Module, test: ImageSet, quick: Settings) -> None:
    config = quick(attacks=(), corruptions=("contrast",))
    card = evaluate(network, test, config)
    assert card["corruptions"] == "made here"
    for severity in range(1, 6):
        x = corrupt(test.images.float() / 255, "contrast", severity, generator=torch.Generator())
        value = card["modes"]["normal"]["corruptions"]["contrast"][severity - 1]
        assert value == pytest.approx(accuracy(network, x, LABELS))
    assert card["modes"] != evaluate(network, test, config, corrupted=files)["modes"]


def test_a_limit_takes_the_same_places_of_the_files(
    files: CorruptedSet, network: nn.Module, test: ImageSet, quick: Settings
) -> None:
    card = evaluate(network, test, quick(attacks=(), corruptions=("fog",), corruption_limit=15), corrupted=files)
    part = random_part(files.image_set("fog", 2), 15)
    expected = accuracy(network, part.images.float() / 255, part.labels)
    assert len(part) == 15 and card["modes"]["normal"]["corruptions"]["fog"][1] == pytest.approx(expected)


def test_files_made_here_and_changed_files_are_not_mixed_up(
    files: CorruptedSet, network: nn.Module, test: ImageSet, quick: Settings, tmp_path: Path, measured: list[str]
) -> None:
    config = quick(attacks=(), corruptions=("fog", "snow"))

    def again(**more: Any) -> tuple[int, dict[str, Any]]:
        measured.clear()
        card = evaluate(network, test, config, folder=tmp_path, **more)
        return len(measured), card

    assert again(corrupted=files)[0] == 11 and again(corrupted=files)[0] == 0
    count, made = again()
    assert count == 10 and made == evaluate(network, test, config)
    fog = files.folder / "fog.npy"
    os.utime(fog, ns=(0, 0))
    assert again(corrupted=files)[0] == 0  # the same images at another time
    content = fog.read_bytes()
    fog.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(fog, ns=(0, 0))
    assert again(corrupted=files)[0] == 5
