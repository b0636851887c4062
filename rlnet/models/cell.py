"""Networks of densely connected cells: the family of RobNet (Guo et al. 2020, arXiv:1911.10695), and its supernet.

Stem, cells, mean over the map, linear layer. The cells at a third and at two thirds halve the map and double the channels.
"""

import torch
from torch import Tensor, nn

from rlnet.models.cell_operations import Edge, FactorizedReduce, Pointwise, added
from rlnet.models.cell_stem import Lead, Second
from rlnet.models.denoising import DenoisingBlock
from rlnet.models.elastic import Layers, Members
from rlnet.models.network import ModeNetwork
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import NODES, NONE, STATES, WIRES, edge_stride, reads, rectified
from rlnet.models.words import BatchNormKind


class Cell(nn.Module):
    """The outputs of two cells -> (B, 4 C, H, W). It has only what is live of the specification's cell k."""

    def __init__(self, spec: CellSpec, k: int, kind: BatchNormKind, layers: Layers):
        super().__init__()
        codes, c, reduces = spec.live[k], spec.width(k), k in spec.reductions
        inputs: dict[str, nn.Module] = {}
        for state, name in enumerate(STATES[:2]):
            if reads(codes, state):
                operation = FactorizedReduce if state == 0 and spec.halves(k) else Pointwise
                inputs[name] = operation(spec.output(k - 2 + state), c, kind, layers, spec.affine, spec.shared)
        self.inputs = Members(inputs)
        self.edges = nn.ModuleList(
            Edge(code, c, edge_stride(edge, reduces), kind, layers, spec.affine, spec.shared) for edge, code in enumerate(codes)
        )
        self.relus = Members({name: nn.ReLU() for name in rectified(codes, reduces)} if spec.shared else {})

    def forward(self, *before: Tensor | None) -> Tensor:
        """before: what the inputs s0 and s1 read, in the shared form after a ReLU; None where nothing reads it."""
        states: list[Tensor | None] = []
        ready: list[Tensor | None] = []  # what the operations read: the states, in the shared form after a ReLU
        for name, x in zip(STATES, before, strict=False):
            self._append(states, ready, self.inputs[name](x) if name in self.inputs.active else None)
        for node in range(NODES):
            edges = [(edge, source) for edge, (source, n) in zip(self.edges, WIRES, strict=True) if n == node and edge.active]
            parts = [edge(states[source], ready[source]) for edge, source in edges]
            self._append(states, ready, added(parts) if parts else None)
        nodes = states[2:]
        some = next(node for node in nodes if node is not None)
        return torch.cat([some * 0.0 if node is None else node for node in nodes], dim=1)

    def _append(self, states: list[Tensor | None], ready: list[Tensor | None], state: Tensor | None) -> None:
        """Adds a state and what operations read of it; a state that is an earlier one shares its ReLU."""
        name = STATES[len(states)]
        same = [rectified for earlier, rectified in zip(states, ready, strict=True) if earlier is state]
        ready.append(self.relus[name](state) if name in self.relus.active else same[0] if same else state)
        states.append(state)


class CellNet(ModeNetwork):
    """Stem, the live cells, mean over the map, linear layer."""

    def __init__(
        self,
        spec: CellSpec,
        num_classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        kind: BatchNormKind,
        layers: Layers,
    ):
        super().__init__(mean, std)
        n = len(spec.cells)
        lives = [k for k, codes in enumerate(spec.live) if set(codes) != {NONE}]
        imagenet, c = spec.stem == "imagenet", spec.output(-1)
        half = max(1, c // 2)
        self.lead = Lead(len(mean), half, kind, layers) if imagenet else nn.Identity()
        self.conv1 = layers.conv(half if imagenet else len(mean), c, 3, kind, 2 if imagenet else spec.stem_stride)
        self.second = Second(c, kind, layers, spec.shared) if imagenet else None
        self.cells = Members({str(k): Cell(spec, k, kind, layers) for k in lives})
        ends = [stage[-1] for stage in spec.stages if stage[-1] in lives and spec.denoise != "none"]
        self.denoise = Members({str(k): DenoisingBlock(spec.denoise, spec.output(k), kind, layers) for k in ends})
        names = ["stem"] if imagenet or spec.readers(-1) else []
        names += ["second"] if imagenet and spec.readers(-1) else []
        names += [str(k) for k in lives if spec.readers(k)]
        self.relus = Members({name: nn.ReLU() for name in names} if spec.shared else {})
        self.fc = layers.linear(spec.output(n - 1), num_classes)
        self.last = str(n - 1)
        self.stage_sites = _stage_ends(spec)

    def logits(self, x: Tensor) -> Tensor:
        x = self.conv1(self.lead(x))
        stem = self._ready("stem", x)
        second = stem if self.second is None else self._ready("second", self.second(stem))
        ready = {-2: stem, -1: second}  # by cell, what its readers read
        for name in self.cells.active:
            k = int(name)
            x = self.cells[name](ready.get(k - 2), ready.get(k - 1))
            x = self.denoise[name](x) if name in self.denoise.active else x
            ready[k] = self._ready(name, x)
            ready.pop(k - 2, None)
        if self.last not in self.cells.active:  # no path leads from the image to the output, which is zero
            return self.fc(x.new_zeros(x.shape[0], self.fc.in_features))
        return self.fc(x.mean(dim=(2, 3)))

    def _ready(self, name: str, x: Tensor) -> Tensor:
        return self.relus[name](x) if name in self.relus.active else x


def _stage_ends(spec: CellSpec) -> tuple[str, ...]:
    """The last ReLU after a cell's output in each stage that has one."""
    ends = []
    for stage in spec.stages:
        read = [(k, spec.readers(k)[0]) for k in stage if spec.readers(k)]
        ends += [f"relus.{k}" if spec.shared else f"cells.{cell}.inputs.{name}.front" for k, (cell, name) in read[-1:]]
    return tuple(ends)
