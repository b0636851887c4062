"""The inferences that several test files look at."""

import pytest

from ...three_parties import Outcome, infer
from .networks import BRANCHES, IMAGES, SETTINGS


@pytest.fixture(scope="session")
def branches() -> Outcome:
    """Two inferences in a row."""
    return infer(BRANCHES, IMAGES, SETTINGS, inferences=2, note=True)
