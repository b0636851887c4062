"""What a network is made of, in words, for every family: a new family is a function here and an entry."""

from collections.abc import Callable
from dataclasses import dataclass

from rlnet.models.specifications.bottleneck import BottleneckSpec
from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import NONE
from rlnet.models.specifications.inverted_residual import Block, InvertedResidualSpec
from rlnet.models.specifications.specification import Specification


@dataclass(frozen=True)
class Part:
    """name: short, for an axis. channels: of its output. text: what it is inside. modules: paths of the modules whose ReLU
    sites are its own, and those of all that is inside them."""

    name: str
    channels: int
    text: str
    modules: tuple[str, ...]

    def holds(self, site: str) -> bool:
        """Whether a ReLU site, by its module path, is of this part."""
        return any(site == module or site.startswith(f"{module}.") for module in self.modules)


def parts(spec: Specification) -> list[Part]:
    """The parts of a network in forward order."""
    return OUTLINES[type(spec)](spec)


def _bottlenecks(spec: BottleneckSpec) -> list[Part]:
    stem = [("first", spec.stem[0])]
    stem += [("residual", spec.stem[0])] if spec.stem_residual else []
    stem += [("last", spec.stem[1])] if len(spec.stem) > 1 else []
    found = [Part(f"stem {name}", c, f"3x3, {c}", (f"stem.{name}",)) for name, c in stem]
    for s, stage in enumerate(spec.stages):
        for i, mid in enumerate(stage.mids):
            found.append(Part(f"{s + 1}.{i + 1}", stage.out, f"3x3, {mid} inside\n{stage.out} out", (f"stages.{s}.{i}",)))
    return found


def _inverted_residuals(spec: InvertedResidualSpec) -> list[Part]:
    found, c = [Part("stem", spec.stem, f"3x3, {spec.stem}", ("relu",))], spec.stem
    for s, stage in enumerate(spec.stages):
        for i, block in enumerate(stage):
            found.append(Part(f"{s + 1}.{i + 1}", block.out, _inverted_residual(block, c), (f"stages.{s}.{i}",)))
            c = block.out
    names = (("head", "head_relu"), ("feature", "feature_relu"))
    return found + [Part(name, c, f"1x1, {c}", (site,)) for (name, site), c in zip(names, spec.head, strict=False)]


def _inverted_residual(block: Block, c_in: int) -> str:
    expansion = f", times {block.mid / c_in:.3g}" if block.expands else ""
    more = f", {block.act}" * (block.act != "relu") + ", se" * block.se
    return f"{block.kernel}x{block.kernel}{expansion}{more}\n{block.out} out"


def _cells(spec: CellSpec) -> list[Part]:
    found = [Part("stem", spec.output(-1), f"3x3, {spec.output(-1)}", ("relus.stem",))]
    for k, codes in enumerate(spec.live):
        convolutions, identities = (sum(code[bit] == "1" for code in codes) for bit in (1, 0))
        dead = all(code == NONE for code in codes)
        text = "without effect" if dead else f"{convolutions} conv, {identities} id\n{spec.output(k)} out"
        found.append(Part(f"cell {k + 1}", spec.output(k), text, (f"cells.{k}", f"relus.{k}")))
    return found


OUTLINES: dict[type[Specification], Callable[[Specification], list[Part]]] = {
    BottleneckSpec: _bottlenecks,
    InvertedResidualSpec: _inverted_residuals,
    CellSpec: _cells,
}
