"""The published RobNets (Guo et al. 2020, arXiv:1911.10695, and the code beside it), and smaller networks of the same cell.

Of RobNet-small and -medium only the numbers of parameters were published, and those say that their cell has 7 and 10
convolutions, and 5 and 6 identities from its inputs. SMALL_LIKE and MEDIUM_LIKE have as many, and a convolution on each direct
edge, where the paper finds them best; which edges the authors' have is not known.
"""

from rlnet.models.specifications.cell import CellSpec
from rlnet.models.specifications.cell_wiring import EDGES, Codes


def _cell(text: str) -> Codes:
    return tuple(text.replace("|", " ").split())


LARGE = _cell("11 11 | 11 11 11 | 01 11 01 10 | 11 01 01 01 11")
MEDIUM_LIKE = _cell("10 11 | 10 11 01 | 10 11 01 01 | 00 01 01 01 01")
SMALL_LIKE = _cell("10 11 | 10 11 01 | 00 10 01 01 | 00 00 00 01 01")
FREE = tuple(
    map(
        _cell,
        (
            "11 10 | 11 11 10 | 11 01 01 10 | 11 11 00 11 01",
            "11 00 | 01 10 01 | 00 10 10 00 | 01 11 10 11 00",
            "11 11 | 11 01 01 | 11 01 00 10 | 00 10 10 00 11",
            "10 11 | 10 01 01 | 10 10 01 10 | 11 00 00 01 10",
            "11 11 | 01 00 10 | 10 10 01 10 | 01 00 10 01 11",
            "11 10 | 11 11 11 | 01 10 11 00 | 10 01 11 01 11",
            "11 11 | 11 10 10 | 01 11 10 01 | 10 10 10 01 10",
            "01 11 | 11 11 01 | 11 11 11 01 | 11 01 11 10 00",
            "11 11 | 11 11 11 | 01 01 11 10 | 01 00 10 01 11",
            "10 11 | 01 00 11 | 11 10 11 01 | 11 11 11 11 00",
            "11 10 | 11 00 00 | 00 11 00 01 | 10 00 01 10 11",
            "01 11 | 01 11 11 | 10 10 11 10 | 11 01 11 10 00",
            "11 11 | 10 10 01 | 00 10 11 11 | 01 10 10 00 01",
            "01 11 | 11 11 01 | 01 11 01 01 | 11 11 01 10 10",
            "01 11 | 11 11 11 | 01 00 01 10 | 10 11 10 10 11",
            "11 11 | 00 11 11 | 01 00 01 10 | 00 11 01 11 11",
            "11 11 | 01 11 11 | 10 11 10 10 | 10 10 10 11 11",
            "10 11 | 01 11 11 | 01 11 00 11 | 11 00 10 00 01",
            "11 10 | 11 11 11 | 11 11 10 11 | 00 11 01 11 11",
            "11 11 | 01 01 11 | 11 01 00 00 | 10 00 01 01 11",
        ),
    )
)


def repeated(cell: Codes, channels: int = 36, cells: int = 20) -> CellSpec:
    """A network of one cell's copies."""
    assert len(cell) == EDGES
    return CellSpec((cell,) * cells, channels)
