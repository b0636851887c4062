"""What networks cost: parameters, MACs and activations as counted on the papers' own code, some by hand."""

import pytest
import torch
from torch import Tensor, nn

from rlnet.models.building import build_specification
from rlnet.models.specifications.inverted_residual import Block, InvertedResidualSpec
from rlnet.models.specifications.published import mobilenet_v3
from rlnet.models.specifications.specification import Specification
from rlnet.models.specifications.zoo import ZOO
from rlnet.nas.cost import cost, cost_of
from rlnet.nas.limits import Limits
from rlnet.nas.rnas_cl import FOR_IMAGENET, SPACES, rnas_cl_space

CIFAR = (3, 32, 32)


@pytest.mark.parametrize(
    ("name", "parameters", "macs", "relus", "h_swish", "gates", "inner"),
    [
        ("rnas-cl-s3", 118_130, 5.86, 0, 242_560, 0, 0),
        ("rnas-cl-s3-relu", 118_130, 5.86, 242_560, 0, 0, 0),
        ("rnas-cl-s5", 215_138, 9.75, 0, 391_552, 0, 0),
        ("rnas-cl-s5-relu", 215_138, 9.75, 391_552, 0, 0, 0),
        ("rnas-cl-s7", 323_162, 13.82, 0, 542_080, 0, 0),
        ("rnas-cl-s7-relu", 323_162, 13.82, 542_080, 0, 0, 0),
        ("rnas-cl-m", 3_033_210, 317.07, 0, 2_987_008, 0, 0),
        ("rnas-cl-m-relu", 3_033_210, 317.07, 2_987_008, 0, 0, 0),
        ("proard-resnet50-max", 46_077_482, 2358.01, 3_917_056, 0, 0, 0),
        ("proard-resnet50-min", 5_223_570, 285.23, 1_165_184, 0, 0, 0),
        ("resnet50", 23_520_842, 1297.83, 2_940_928, 0, 0, 0),
        ("proard-mbv3-max", 6_396_570, 179.71, 1_652_432, 759_552, 6_912, 1_744),
        ("proard-mbv3-max-relu", 3_883_466, 177.20, 2_410_240, 0, 0, 0),
        ("proard-mbv3-min", 2_142_602, 35.29, 416_160, 218_112, 1_584, 416),
        ("proard-mbv3-min-relu", 1_865_274, 35.02, 633_856, 0, 0, 0),
        ("mbv3-large", 4_213_562, 66.46, 510_976, 445_184, 4_056, 1_024),
        ("mbv3-large-relu", 2_701_282, 64.95, 955_136, 0, 0, 0),
    ],
)
def test_published_networks(name: str, parameters: int, macs: float, relus: int, h_swish: int, gates: int, inner: int) -> None:
    """relus: all of them; `inner` ones, in squeeze-and-excitation, are no sites."""
    found = cost(ZOO[name](), CIFAR, 10)
    assert (found.parameters, round(found.macs / 1e6, 2)) == (parameters, macs)
    assert found.relus == relus - inner == sum(c * h * w for _, (c, h, w) in found.sites)
    assert found.comparisons == relus + 2 * h_swish + 2 * gates


@pytest.mark.parametrize(("name", "published"), [("rnas-cl-s3", 6.64), ("rnas-cl-s5", 11.02), ("rnas-cl-s7", 15.58)])
def test_the_papers_macs_count_biases_and_batch_norms(name: str, published: float) -> None:
    """RNAS-CL's numbers are thop's: three more for each output of a convolution."""
    spec, outputs = ZOO[name](), 0
    with torch.device("meta"):
        network = build_specification(spec, 10, (0.5,) * 3, (0.5,) * 3, "single").eval()

    def note(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal outputs
        outputs += output.numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    found = cost_of(network, CIFAR)
    assert round((found.macs + 3 * outputs) / 1e6, 2) == published


@pytest.mark.parametrize(
    ("name", "smallest", "largest"),
    [
        ("s3", (112_790, 4.74, 210_304), (183_194, 7.87, 271_360)),
        ("s5", (206_366, 7.84, 334_720), (333_050, 13.37, 443_392)),
        ("s7", (299_942, 10.94, 459_136), (482_906, 18.86, 615_424)),
        ("m", (2_640_390, 280.59, 2_819_968), (3_033_210, 317.07, 2_987_008)),
        ("l", (10_973_558, 1163.69, 5_753_728), (11_761_514, 1236.99, 5_920_768)),
        ("i", (2_433_784, 5.13, 110_544), (6_201_616, 12.84, 162_672)),
        ("il", (4_017_028, 5.97, 76_992), (7_241_692, 11.85, 104_784)),
    ],
)
def test_spaces_of_rnas_cl(name: str, smallest: tuple[int, float, int], largest: tuple[int, float, int]) -> None:
    """With 100 classes for I and 1000 for IL, as in the paper."""
    space, classes = rnas_cl_space(name), {"i": 100, "il": 1000}.get(name, 10)
    for spec, expected in ((space.smallest, smallest), (space.largest, largest)):
        found = cost(spec, CIFAR, classes)
        assert (found.parameters, round(found.macs / 1e6, 2), found.relus) == expected


@pytest.mark.parametrize(("name", "low", "high"), [("i", 180.03, 496.09), ("il", 135.49, 361.94)])
def test_spaces_for_imagenet_on_its_images(name: str, low: float, high: float) -> None:
    space = rnas_cl_space(name)
    assert name in FOR_IMAGENET and name in SPACES
    macs = [cost(spec, (3, 224, 224), {"i": 100, "il": 1000}[name]).macs / 1e6 for spec in (space.smallest, space.largest)]
    assert [round(each, 2) for each in macs] == [low, high]


def test_the_middle_of_mobilenet_v3() -> None:
    """Kernel 5, expansion 4, depth 3."""
    genes = ((5,) * 3,) * 5, ((4,) * 3,) * 5
    found = cost(mobilenet_v3(*genes, "published"), CIFAR, 10)
    assert (found.parameters, round(found.macs / 1e6, 1)) == (3_283_602, 77.1)
    assert found.comparisons == 828_232 + 2 * 398_592 + 2 * 3_360
    assert cost(mobilenet_v3(*genes), CIFAR, 10).relus == 1_225_984


def test_a_block_by_hand() -> None:
    """A stem of 4 channels at 4x4, a block 4 -> 8 -> 8 -> 6 of kernel 3 and stride 2, 5 classes; squeeze to 8."""
    spec = InvertedResidualSpec(((Block(3, 8, 6, 2, se=True),),), stem=4)
    found = cost(spec, (1, 8, 8), 5)
    convolutions, linear = [36, 32, 72, 48], [8 * 8, 8 * 8, 6 * 5]
    assert found.parameters == sum(convolutions) + 2 * (4 + 8 + 8 + 6) + sum(linear) + 8 + 8 + 5
    assert found.macs == 36 * 16 + 32 * 16 + 72 * 4 + 48 * 4 + sum(linear)
    assert found.relus == 4 * 16 + 8 * 16 + 8 * 4
    assert found.comparisons == found.relus + 8 + 2 * 8  # the squeezed channels' ReLU; the gate
    assert found.sites == (("relu", (4, 4, 4)), ("stages.0.0.relu1", (8, 4, 4)), ("stages.0.0.relu2", (8, 2, 2)))


def test_classes_and_paths() -> None:
    """The head grows with the classes; other paths of the batch norm are not counted."""
    spec: Specification = ZOO["rnas-cl-s3-relu"]()
    assert cost(spec, CIFAR, 100).parameters - cost(spec, CIFAR, 10).parameters == 90 * 53
    assert cost(spec, CIFAR, 10) is cost(spec, CIFAR, 10)


def test_limits() -> None:
    spec = ZOO["rnas-cl-s3-relu"]()
    assert Limits(CIFAR, 10, relus=242_560).allow(spec) and not Limits(CIFAR, 10, relus=242_559).allow(spec)
    assert Limits(CIFAR, 10).allow(spec)
    assert Limits(CIFAR, 10, macs=5_860_000, parameters=100_000).excess(spec)["parameters"] == pytest.approx(0.1813)
    with pytest.raises(ValueError, match=r"100,000 relus are too few: the smallest network of this space has 210,304"):
        Limits(CIFAR, 10, relus=100_000).check(rnas_cl_space("s3").smallest)
