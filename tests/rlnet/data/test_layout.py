"""The parts and classes of a folder: what each convention means, and what can be read in two ways and is refused."""

import subprocess
import sys
import unicodedata
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from rlnet.data.files.layout import PART_NAMES, find

TRAIN, VALIDATION, TEST = PART_NAMES["train"], PART_NAMES["validation"], PART_NAMES["test"]


def make(root: Path, *parts: str, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """Class folders, each with an empty file, in the parts; find reads names only."""
    for part in parts:
        for name in classes:
            (root / part / name).mkdir(parents=True)
            (root / part / name / "1.png").touch()
    return root


def spellings(names: tuple[str, ...]) -> list[str]:
    return [spell(name) for name in names for spell in (str.lower, str.capitalize, str.upper)]


def test_without_parts_the_folder_is_one(tmp_path: Path) -> None:
    layout = find(make(tmp_path, "."))
    assert layout.folders == {"all": tmp_path} and layout.classes == ("cat", "dog") and layout.note is None


@pytest.mark.parametrize(("train", "test"), list(product(spellings(TRAIN), spellings(TEST + VALIDATION))))
def test_two_parts_by_any_name(tmp_path: Path, train: str, test: str) -> None:
    """Without a test part, that of the validation is the test set."""
    layout = find(make(tmp_path, train, test))
    assert layout.folders == {"train": tmp_path / train, "test": tmp_path / test}


@pytest.mark.parametrize("validation", spellings(VALIDATION))
def test_three_parts(tmp_path: Path, validation: str) -> None:
    layout = find(make(tmp_path, "Train", validation, "testing"))
    assert layout.folders == {
        "train": tmp_path / "Train",
        "validation": tmp_path / validation,
        "test": tmp_path / "testing",
    }


def test_classes_may_differ_in_case_alone_and_be_called_as_a_part(tmp_path: Path) -> None:
    assert find(make(tmp_path / "letters", ".", classes=("A", "a", "B"))).classes == ("A", "B", "a")
    assert find(make(tmp_path / "vehicles", ".", classes=("bus", "train"))).folders == {"all": tmp_path / "vehicles"}
    assert find(make(tmp_path / "both", "train", "test", classes=("bus", "train"))).classes == ("bus", "train")


def test_texts_beside_class_folders_do_not_matter(tmp_path: Path) -> None:
    make(tmp_path, "train", "test")
    for place in (tmp_path, tmp_path / "train"):
        (place / "README.md").write_text("BMW and other cars")
        (place / "labels.csv").write_text("P1 is the first")
    assert find(tmp_path).classes == ("cat", "dog")


def test_folders_beside_the_parts_are_named(tmp_path: Path) -> None:
    make(tmp_path, "train", "test", "unlabelled")
    (tmp_path / ".cache").mkdir()
    assert find(tmp_path).note == f"{tmp_path} has train/, test/; what else lies there is not read: unlabelled"


def one_class(root: Path) -> None:
    make(root, "train", "test", classes=("cat",))


def flat(root: Path) -> None:
    for part in ("train", "test"):
        (root / part).mkdir()
        (root / part / "1.png").touch()


def unlabelled_test(root: Path) -> None:
    make(root, "train", "val")
    (root / "test").mkdir()
    (root / "test" / "1.png").touch()


def image_beside_classes(root: Path) -> None:
    make(root, "train", "test")
    (root / "train" / "extra.JPG").touch()


def image_without_a_suffix(root: Path) -> None:
    make(root, ".")
    (root / "picture").write_bytes(b"\x89PNG\r\n\x1a\n")


def other_classes(root: Path, part: str = "test") -> None:
    make(root, "train", "val", "test")
    (root / part / "bird").mkdir()


def same_folder(root: Path) -> None:
    make(root, "train")
    (root / "test").symlink_to("train")


def spelt_otherwise(root: Path) -> None:
    make(root, "train", classes=("cat", unicodedata.normalize("NFC", "é")))
    make(root, "test", classes=("cat", unicodedata.normalize("NFD", "é")))


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda root: root.rmdir(), "is not a folder: set root to the folder that holds the class folders"),
        (lambda root: None, r"has 0 class folders \(\): it needs one for each class"),
        (one_class, r"train has 1 class folders \('cat',\)"),
        (lambda root: make(root, "train", "Train", "test"), "has Train/ and train/, which both mean the train part"),
        (lambda root: make(root, "train", "val", "validation", "test"), "val/ and validation/, which both mean the validation"),
        (lambda root: make(root, "train", "testing", "TEST"), "TEST/ and testing/, which both mean the test part"),
        (lambda root: make(root, "test"), "has test/ with class folders, but no train/ beside"),
        (lambda root: make(root, "val", "test"), "has test/ and val/ with class folders, but no train/ beside"),
        (lambda root: make(root, "Train"), "has train/ but neither test/ nor val/ with class folders: add one, or set root to"),
        (flat, "has test/ and train/, without class folders in them"),
        (unlabelled_test, "has train/ and val/ with class folders, but none in test/: give it the same ones"),
        (image_beside_classes, r"extra.JPG lies beside the class folders: move it"),
        (image_without_a_suffix, r"picture lies beside the class folders: move it"),
        (other_classes, r"the classes of train/ and test/ differ in \['bird'\]: give both the same class folders"),
        (lambda root: other_classes(root, "val"), r"the classes of train/ and val/ differ in \['bird'\]"),
        (lambda root: other_classes(root, "train"), r"the classes of train/ and val/ differ in \['bird'\]"),
        (same_folder, "test and .*train are the same folder: tests need images of their own"),
        (spelt_otherwise, r"differ in \['e\\\\u0301', '\\\\xe9'\]: they look the same, but are spelt with other characters"),
    ],
)
def test_what_is_missing_or_ambiguous_is_refused(tmp_path: Path, spoil: Callable[[Path], object], match: str) -> None:
    root = tmp_path / "pictures"
    root.mkdir()
    spoil(root)
    with pytest.raises(ValueError, match=match):
        find(root)


def test_it_is_found_without_loading_torch_or_opencv(tmp_path: Path) -> None:
    """So that a folder that cannot be read is refused at once."""
    imports = (
        "from rlnet.data.files import class_files, layout; "
        "from rlnet.data.identity import changes, class_print, contents, fingerprint, leaks"
    )
    code = f"import sys; {imports}; print(*({{'torch', 'cv2', 'PIL'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == ""
