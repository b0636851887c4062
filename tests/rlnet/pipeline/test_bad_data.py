"""Images that are unusable, or other ones than a network was trained on: each is named in one line with its remedy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import rlnet.evaluate

from .refusals import STUDENT, Refuse

pytestmark = pytest.mark.usefixtures("no_pictures")


def write_images(root: Path, classes: tuple[str, ...] = ("cat", "dog"), count: int = 20) -> list[Path]:
    """Class folders of 8x8 RGB images of noise."""
    rng = np.random.default_rng(0)
    paths = [root / name / f"{i:02}.png" for name in classes for i in range(count)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    return paths


def missing(root: Path) -> None:
    shutil.rmtree(root)


def empty(root: Path) -> None:
    missing(root)
    root.mkdir()


def one_class(root: Path) -> None:
    shutil.rmtree(root / "dog")


def empty_class(root: Path) -> None:
    (root / "bird").mkdir()


def truncated(root: Path) -> None:
    path = root / "dog/07.png"
    path.write_bytes(path.read_bytes()[:60])


def no_image(root: Path) -> None:
    (root / "dog/readme.txt").write_text("pictures of dogs")


def another_size(root: Path) -> None:
    cv2.imwrite(str(root / "dog/07.png"), np.zeros((9, 8, 3), dtype=np.uint8))


def another_mode(root: Path) -> None:
    cv2.imwrite(str(root / "dog/07.png"), np.zeros((8, 8), dtype=np.uint8))


def a_file(root: Path) -> None:
    missing(root)
    root.write_text("no folder")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (missing, "pictures is not a folder: set root to the folder that holds the class folders"),
        (a_file, "pictures is not a folder: set root to the folder that holds the class folders"),
        (empty, "pictures has 0 class folders (): it needs one for each class, at least two"),
        (one_class, "pictures has 1 class folders ('cat',): it needs one for each class, at least two"),
        (empty_class, "bird has no images: add some, or remove the folder"),
        (truncated, "07.png is not an image, or is damaged: remove it or put it right"),
        (no_image, "readme.txt is not an image, or is damaged: remove it"),
        (another_size, "07.png has 8x9 pixels, but"),
        (another_mode, "07.png is gray, but"),
    ],
)
def test_data_folders(refuse: Refuse, tmp_path: Path, damage: Callable[[Path], None], words: str) -> None:
    write_images(tmp_path / "pictures")
    damage(tmp_path / "pictures")
    refuse([], words, data={"name": "folder", "root": str(tmp_path / "pictures"), "train_limit": None, "test_limit": None})


def test_evaluating_on_other_images(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path / "pictures")
    assert rlnet.evaluate.main([str(run_folder / STUDENT), "--data.name=folder", f"--data.root={tmp_path / 'pictures'}"]) == 2
    line = capsys.readouterr().err
    assert "was trained on digits" in line and "without '0', '1'" in line and "with 'cat', 'dog'" in line
    assert "its images are (3, 8, 8), not (3, 32, 32)" in line and "choose it with --data.name" in line


def test_a_teacher_of_other_images(refuse: Refuse, tmp_path: Path, uninterrupted: Path) -> None:
    """Other classes, another image size, other images: each is named."""
    write_images(tmp_path / "pictures")
    refuse(
        [f"--teacher_file={uninterrupted / 'digits/teacher'}"],
        "its classes: ('0', '1', '2', ",
        "the experiment's: ('cat', 'dog')",
        "its image_shape: (3, 32, 32), the experiment's: (3, 8, 8)",
        data={"name": "folder", "root": str(tmp_path / "pictures"), "train_limit": None, "test_limit": None},
        relu_budget=100,
    )
