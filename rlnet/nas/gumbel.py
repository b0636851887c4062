"""Widths as mixtures: each block's output times a mixture of masks that keep its first channels (RNAS-CL Sec. 3.3; FBNetV2).

The mixture's weights are Gumbel-softmaxes of logits (Jang et al. 2017, arXiv:1611.01144), which gradients reach. One set of
convolutions serves all widths. What is narrower in a narrower network is masked with it, so that a one-hot mixture computes
what the network of that width computes; RNAS-CL's code masks a block's output only.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlnet.models import ModeNetwork
from rlnet.models.inverted_residual import InvertedResidual
from rlnet.models.specifications.inverted_residual import InvertedResidualSpec
from rlnet.nas.rnas_cl import InvertedResidualSpace
from rlnet.seeds import seed_of

HOTTEST, DECAY = 5.0, 4.5  # tau at the start, and -ln of what is left of it at the end: 0.045 for each of 100 epochs


def temperature(progress: float) -> float:
    r"""tau = 5 exp(-0.045 e) at epoch e of 100 (RNAS-CL Sec. 4.1), for runs of any length.

    progress: the fraction of the search that is done, in [0, 1]. Returns tau, from 5 to 0.0555.
    """
    return HOTTEST * math.exp(-DECAY * progress)


def gumbel_softmax(logits: Tensor, tau: float, noise: Tensor | None) -> Tensor:
    r"""g_i = exp((v_i + e_i) / tau) / sum_j exp((v_j + e_j) / tau) along the last dimension (RNAS-CL Sec. 3.2).

    logits: v. noise: e, of the same shape, from `gumbel_noise`; None is none. The paper calls e normal and uniform in one
    sentence; Jang et al., whom it cites, and its code draw from Gumbel(0, 1).
    """
    return torch.softmax((logits if noise is None else logits + noise) / tau, dim=-1)


def gumbel_noise(shapes: list[torch.Size], *numbers: int) -> list[Tensor]:
    """-log(-log u) of uniform u in (0, 1), on the CPU; a function of the numbers, so that all ranks draw the same."""
    generator = torch.Generator().manual_seed(seed_of(*numbers))
    tiny = torch.finfo(torch.float32).tiny
    return [-(-torch.rand(shape, generator=generator).clamp(min=tiny).log()).clamp(min=tiny).log() for shape in shapes]


class Gate(nn.Module):
    """x (B, C, H, W) times sum_i g_i (1, ..., 1, 0, ..., 0), with widths[i] ones; the identity before a mixture is taken.

    It holds nothing of a network's state, so that a gated network's checkpoints are those of the plain one.
    """

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        places, widths = torch.arange(max(widths)), torch.tensor(widths)
        self.register_buffer("prefixes", (places < widths[:, None]).float(), persistent=False)
        self.mask: Tensor | None = None

    def take(self, mixture: Tensor) -> None:
        """mixture: g (n,), from which a gradient reaches the logits."""
        self.mask = mixture @ self.prefixes

    def forward(self, x: Tensor) -> Tensor:
        return x if self.mask is None else x * self.mask.to(x.dtype)[:, None, None]


@dataclass(frozen=True)
class GatedNetwork:
    """A largest network whose widths are mixtures. gates: of each gene, the modules that mask channels with it."""

    network: ModeNetwork
    gates: tuple[tuple[Gate, ...], ...]

    def take(self, mixtures: list[Tensor]) -> None:
        """Takes the mixture (n_l,) of each gene l for the forward passes that follow."""
        for gates, mixture in zip(self.gates, mixtures, strict=True):
            for gate in gates:
                gate.take(mixture)

    def open(self) -> None:
        """The largest network again."""
        for gates in self.gates:
            for gate in gates:
                gate.mask = None


def gated(network: ModeNetwork, space: InvertedResidualSpace) -> GatedNetwork:
    """Gives the space's largest network its gates: a gene masks its block's output, and what is inside the next block or, after
    the last one, the head, which are six times as wide."""
    blocks = [module for module in network.modules() if isinstance(module, InvertedResidual)]
    searched = range(len(blocks) - len(space.choices), len(blocks))
    gates = []
    for gene, place in enumerate(searched):
        alternatives = [space.specification(_only(gene, i, space)) for i in range(space.choices[gene])]
        outs = Gate(tuple(_blocks(spec)[place].out for spec in alternatives))
        blocks[place].shrink_out = outs
        is_last = place + 1 == len(blocks)
        if is_last and not alternatives[0].head:
            gates.append((outs,))
            continue
        inside = Gate(tuple(spec.head[0] if is_last else _blocks(spec)[place + 1].mid for spec in alternatives))
        if is_last:
            network.shrink_head = inside
        else:
            blocks[place + 1].shrink_mid = inside
        gates.append((outs, inside))
    network.to(next(network.parameters()).device)
    return GatedNetwork(network, tuple(gates))


def _only(gene: int, choice: int, space: InvertedResidualSpace) -> tuple[int, ...]:
    """The largest network's genes but for one."""
    return tuple(choice if i == gene else 0 for i in range(len(space.choices)))


def _blocks(spec: InvertedResidualSpec) -> list:
    return [block for stage in spec.stages for block in stage]
