"""What the tests of searches share."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

import rlnet.nas.experiment
from rlnet.data import Dataset


@pytest.fixture(autouse=True, scope="module")
def no_test_set() -> Iterator[None]:
    """No search has a test set that it could read."""
    load = rlnet.nas.experiment.load

    def without_test_set(*arguments: Any) -> Dataset:
        return dataclasses.replace(load(*arguments), test=None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rlnet.nas.experiment, "load", without_test_set)
        yield
