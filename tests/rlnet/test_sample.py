"""Test images as a file: what it holds, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from rlnet.data import DataConfig, load
from rlnet.sample import main


def test_the_images_are_test_images_with_their_labels(tmp_path: Path) -> None:
    assert main([f"--output={tmp_path / 'a' / 'images.npz'}", "--count=20"]) == 0
    found = np.load(tmp_path / "a" / "images.npz", allow_pickle=False)
    test = load(DataConfig(), 0).test
    known = {(test.images[i].numpy().tobytes(), int(label)) for i, label in enumerate(test.labels)}
    pairs = {(image.tobytes(), int(label)) for image, label in zip(found["images"], found["labels"], strict=True)}
    assert found["images"].dtype == np.uint8 and found["images"].shape[:2] == (20, 3)
    assert len(pairs) == 20 and pairs <= known


def test_the_same_ones_every_time(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        assert main([f"--output={tmp_path / name}", "--count=5"]) == 0
    first, second = (np.load(tmp_path / name)["images"] for name in ("a.npz", "b.npz"))
    assert np.array_equal(first, second)


def test_no_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--output={tmp_path / 'images.npz'}", "--count=0"]) == 2
    assert "at least 1" in capsys.readouterr().err and not list(tmp_path.iterdir())
