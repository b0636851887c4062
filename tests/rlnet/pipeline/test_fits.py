"""What an evaluation cannot measure is refused before the hours of training, not after."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rlnet.attacks.names import check_classes
from rlnet.data import ImageSet
from rlnet.evaluation.config import EvaluationConfig, check_fits


def write_images(root: Path, classes: int, side: int) -> None:
    for part in ("train", "test"):
        for k in range(classes):
            folder = root / part / f"class{k}"
            folder.mkdir(parents=True)
            for i in range(12):
                pixels = np.random.default_rng(100 * k + i + 1000 * (part == "test")).integers(
                    0, 256, (side, side, 3), np.uint8
                )
                cv2.imwrite(str(folder / f"{i}.png"), pixels)


@pytest.mark.parametrize(
    ("attack", "classes", "words"),
    [
        ("autoattack", 3, r"autoattack \(apgd-t is a part of it\) compares 4 classes, but there are 3"),
        ("apgd-t", 3, "apgd-t compares 4 classes, but there are 3"),
        ("pgd-20+apgd-dlr", 2, r"\(apgd-dlr is a part of it\) compares 3 classes, but there are 2"),
    ],
)
def test_an_attack_that_compares_more_classes_than_there_are(attack: str, classes: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_classes(attack, classes)
    check_classes(attack, 4)


@pytest.mark.parametrize("attack", ["fgsm", "pgd-20", "cw", "deepfool", "apgd-ce", "fab-t", "square"])
def test_the_others_need_two(attack: str) -> None:
    check_classes(attack, 2)


def test_images_too_small_to_be_corrupted() -> None:
    check_fits(EvaluationConfig(corruptions=()), 10, (3, 7, 7))
    check_fits(EvaluationConfig(), 10, (3, 8, 8))
    with pytest.raises(ValueError, match="images of 9x7 pixels are too small to be corrupted; enlarge them to at least 8x8"):
        check_fits(EvaluationConfig(corruptions=("fog",)), 10, (3, 7, 9))


def test_three_classes_under_autoattack_are_refused_before_training(tmp_path: Path, refuse: Callable[..., None]) -> None:
    write_images(tmp_path / "images", classes=3, side=16)
    refuse(
        ["--evaluation.attacks=autoattack"],
        "compares 4 classes, but there are 3; use pgd-N, apgd-ce, fab-t or square in its place",
        data={"name": "folder", "root": str(tmp_path / "images"), "train_limit": None, "test_limit": None},
        relu_budget=100,
    )
    assert not (tmp_path / "runs").exists()


LABELS = {
    "int32": (torch.arange(4, dtype=torch.int32), r"labels are torch.int32 \(4,\); .*labels.long\(\)"),
    "floats": (torch.rand(4), r"labels are torch.float32 \(4,\)"),
    "one-hot": (torch.eye(4, dtype=torch.int64), r"labels are torch.int64 \(4, 4\)"),
    "a list": ([0, 1, 2, 3], "labels are a list"),
    "numpy": (np.arange(4), "labels are a ndarray"),
    "too few": (torch.arange(3), "4 images and 3 labels"),
}


@pytest.mark.parametrize(("labels", "words"), LABELS.values(), ids=LABELS)
def test_labels_of_other_types(labels: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ImageSet(torch.rand(4, 3, 8, 8), labels)


@pytest.mark.parametrize(
    ("images", "words"),
    [(np.zeros((4, 3, 8, 8)), "images are a ndarray"), (torch.zeros(4, 3, 8, 8, dtype=torch.int64), "images are torch.int64")],
)
def test_images_of_other_types(images: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ImageSet(images, torch.arange(4))
