"""Small RobNets for the tests: cells by their edges, drawn ones, and networks as if trained."""

from random import Random

import torch
from torch import nn

from rlnet.models import ModeNetwork
from rlnet.models.building import build_specification
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import CODES, EDGES
from rlnet.models.specifications.robnet import LARGE, repeated

SHAPE = (1, 8, 8)
TINY = repeated(LARGE, channels=4, cells=4)
EMPTY = ("00",) * EDGES


def cell(**codes: str) -> tuple[str, ...]:
    """Codes of the edges named, as e3="11"; the others have none."""
    return tuple(codes.get(f"e{edge}", "00") for edge in range(EDGES))


COPIES = cell(e1="10", e2="10", e4="10", e8="01", e9="01")  # n0 is s1 and n1 is s0 + s1, n2 reads n1 and n3 reads s0
GAPS = cell(e1="01", e8="11", e11="11", e12="11", e13="10")  # n1 is zero, so is n2, and n3 is from n0
CELLS = {"large": LARGE, "copies": COPIES, "gaps": GAPS, "s0": cell(e0="10"), "s1": cell(e10="11")}


def random_spec(seed: int, channels: int = 3, density: float = 0.5, **fields: object) -> CellSpec:
    """Of one to five cells, each edge empty with a probability of 1 - density beside its even draw."""
    rng = Random(seed)
    cells = [
        tuple(rng.choice(CODES) if rng.random() < density else "00" for _ in range(EDGES)) for _ in range(rng.randint(1, 5))
    ]
    return CellSpec(tuple(cells), channels, **fields)


def made(spec: CellSpec, kind: str = "dual", seed: int = 0, **options: object) -> ModeNetwork:
    """As if trained: no batch norm is the identity, no two paths are alike."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_specification(spec, 5, (0.4,), (0.3,), kind, **options)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 2.0)
    return network.eval()
