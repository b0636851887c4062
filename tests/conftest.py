"""What several test files share: what all processes inherit, a seeded generator, and narrow networks.

The process that hands out tests to others loads this too; it runs none, so torch is imported where it is used.
"""

import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import torch

    from rlnet.models import ModeNetwork


def pytest_configure(config: pytest.Config) -> None:
    """One thread, and compiled modules, for all processes that run tests and that tests start.

    Where PYTHONDONTWRITEBYTECODE is set, as in many containers, each of them would compile torch anew, which takes seconds;
    they get a folder of their own for what they compile, in pytest's cache.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    if "PYTHONDONTWRITEBYTECODE" in os.environ and config.pluginmanager.has_plugin("cacheprovider"):
        del os.environ["PYTHONDONTWRITEBYTECODE"]
        os.environ["PYTHONPYCACHEPREFIX"] = str(config.cache.mkdir("compiled"))
        sys.dont_write_bytecode, sys.pycache_prefix = False, os.environ["PYTHONPYCACHEPREFIX"]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tiny tensors are fastest on one thread, and tests that run side by side don't take each other's cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def generator() -> "torch.Generator":
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def tiny_network() -> "Callable[..., ModeNetwork]":
    """Makes a network of width 4 for grey 8x8 images and 5 classes, as if trained: see tests/narrow_networks.py."""
    from tests.narrow_networks import tiny_network

    return tiny_network
