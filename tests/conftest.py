"""What several test files share: one thread, a seeded generator, and narrow networks whose batch-norm paths differ."""

from collections.abc import Callable, Iterator

import pytest
import torch

from masks import find_sites, linearize
from rlnet.models import ModeNetwork, NetworkConfig, build
from rlnet.models.words import BatchNormKind
from tests.rlnet.two_convolutions import TwoConvolutions


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Tiny tensors are fastest on one thread, and tests that run side by side don't take each other's cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def tiny_network() -> Callable[..., ModeNetwork]:
    """Makes a network of width 4 for grey 8x8 images and 5 classes, as if trained: no two batch-norm paths are alike.

    name: that of a configuration, or "two convolutions", where the architecture does not matter. keep: the fraction of ReLUs that
    random masks keep at every site but the first, which stays an all-ReLU one; None makes no masks.
    """

    def make(name: str = "resnet18", kind: BatchNormKind = "dual", keep: float | None = None, seed: int = 0) -> ModeNetwork:
        if name == "two convolutions":
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = TwoConvolutions((4, 8), 5, (0.4,), (0.3,), kind)
        else:
            network = build(NetworkConfig(name, width=4, batch_norm=kind), 5, (0.4,), (0.3,), seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.weight.uniform_(0.5, 1.5, generator=generator)
                    module.bias.uniform_(-0.5, 0.5, generator=generator)
                    module.running_mean.uniform_(-0.5, 0.5, generator=generator)
                    module.running_var.uniform_(0.5, 2.0, generator=generator)
        if keep is not None:
            sites = list(find_sites(network, torch.zeros(1, 1, 8, 8)).items())
            linearize(network, {site: torch.rand(shape, generator=generator) < keep for site, shape in sites[1:]})
        return network.eval()

    return make
