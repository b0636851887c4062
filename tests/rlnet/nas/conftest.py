"""What the tests of searches share."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rlnet.nas.experiment
from rlnet.data import Dataset
from rlnet.nas import predictor_picture, tutor_picture, whole


class Unread:
    """A test set of which only the size may be asked."""

    def __init__(self, size: int):
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a search asks for {name} of the test set")


@pytest.fixture(autouse=True, scope="module")
def no_test_set() -> Iterator[None]:
    """No search has a test set that it could read."""
    load = rlnet.nas.experiment.load

    def without_test_set(*arguments: Any) -> Dataset:
        data = load(*arguments)
        return dataclasses.replace(data, test=Unread(len(data.test)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rlnet.nas.experiment, "load", without_test_set)
        yield


@pytest.fixture(autouse=True)
def empty_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are empty files, for they take as long as the rest of a tiny search; those of a module's first one are drawn."""
    for module in (whole, tutor_picture, predictor_picture):
        monkeypatch.setattr(module, "write_figure", lambda figure, path: Path(path).touch())
