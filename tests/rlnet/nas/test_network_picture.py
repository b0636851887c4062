"""The picture of a found network: every site is drawn once, at every size; and what its blocks are said to be."""

from pathlib import Path
from random import Random

import pytest

from rlnet.figures import write_figure
from rlnet.nas.limits import Limits
from rlnet.nas.network_picture import network_figure
from rlnet.nas.outline import parts
from rlnet.nas.proard import MobileNetV3Space, ResNet50Space
from rlnet.nas.rnas_cl import rnas_cl_space
from rlnet.nas.robnet import RobNetSpace
from rlnet.nas.space import Space

LIMITS = Limits((3, 32, 32), 10)
SPACES: dict[str, Space] = {
    "resnet50": ResNet50Space(8, 2),
    "mbv3": MobileNetV3Space("relu", 0.1, 2),
    "mbv3-published": MobileNetV3Space("published", 0.1, 2),
    "robnet-free": RobNetSpace(4, 2, 2, free=True),
    "rnas-cl": rnas_cl_space("s3"),
}


@pytest.mark.parametrize("name", SPACES)
def test_every_site_has_a_bar(name: str, tmp_path: Path) -> None:
    """Of its height, from left to right in forward order; below, a box for each block, as high as it has channels."""
    space = SPACES[name]
    spec = space.specification(space.sample(Random(0)))
    cost = LIMITS.cost(spec)
    figure = network_figure(spec, cost, "a network")
    above, below = figure.axes
    bars = sorted(above.patches, key=lambda bar: bar.get_x())
    assert [bar.get_height() for bar in bars] == [c * h * w for _, (c, h, w) in cost.sites]
    assert [box.get_height() for box in below.patches] == [part.channels for part in parts(spec)]
    write_figure(figure, tmp_path / "network.png")
    assert (tmp_path / "network.png").read_bytes().startswith(b"\x89PNG")


def test_what_blocks_are_said_to_be() -> None:
    names = {name: [(part.name, part.text) for part in parts(SPACES[name].smallest)] for name in SPACES}
    assert names["resnet50"][:3] == [("stem first", "3x3, 8"), ("stem last", "3x3, 8"), ("1.1", "3x3, 8 inside\n24 out")]
    assert names["mbv3"][2] == ("2.1", "3x3, times 3\n8 out") and names["mbv3"][-1][0] == "feature"
    assert names["mbv3-published"][-3][1].startswith("3x3, times 3, hswish, se")
    assert names["rnas-cl"][1] == ("1.1", "3x3, times 6\n12 out")
    assert names["robnet-free"][0][1] == "3x3, 6"
