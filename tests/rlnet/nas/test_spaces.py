"""Search spaces: genes and specifications are two names of one thing; what sampling, mutation and crossing may give."""

from dataclasses import replace
from itertools import pairwise, product
from random import Random

import pytest

from rlnet.models.specifications.zoo import ZOO
from rlnet.nas.phases import PHASES
from rlnet.nas.proard import MobileNetV3Space, ProgressiveSpace, ResNet50Space
from rlnet.nas.rnas_cl import SPACES, InvertedResidualSpace, rnas_cl_space
from rlnet.nas.robnet import RobNetSpace
from rlnet.nas.space import Space

ALL: dict[str, Space] = {
    **{f"rnas-cl-{name}": rnas_cl_space(name) for name in SPACES},
    "rnas-cl-s3-published": rnas_cl_space("s3", "hswish"),
    "resnet50": ResNet50Space(),
    "resnet50-narrow": ResNet50Space(width=8),
    "mbv3": MobileNetV3Space(),
    "mbv3-narrow": MobileNetV3Space(width=0.1),
    "mbv3-published": MobileNetV3Space("published"),
    "robnet": RobNetSpace(),
    "robnet-free": RobNetSpace(cells=6, channels=3, stem_stride=2, free=True),
}
PROGRESSIVE = {name: space for name, space in ALL.items() if isinstance(space, ProgressiveSpace)}


@pytest.mark.parametrize("space", ALL.values(), ids=ALL)
def test_genes_and_specifications_are_one(space: Space) -> None:
    """For what is drawn, mutated, crossed, and the ends."""
    rng = Random(0)
    genes = space.sample(rng)
    rows = [space.genes(space.largest), space.genes(space.smallest)]
    for _ in range(30):
        mutant = space.mutate(genes, 0.3, rng)
        genes = space.cross(space.sample(rng), mutant, rng)
        rows += [genes, mutant]
    for row in rows:
        spec = space.specification(row)
        assert space.genes(spec) == row == space.canonical(row) and space.contains(spec)
        assert all(gene in range(n) for gene, n in zip(row, space.choices, strict=True))
        assert len(space.encode(row)) == len(space.encode(rows[0]))
    assert len({space.specification(row) for row in rows}) == len({tuple(space.encode(row)) for row in rows}) == len(set(rows))


@pytest.mark.parametrize("space", ALL.values(), ids=ALL)
def test_mutation_and_crossing(space: Space) -> None:
    rng = Random(1)
    first, second = space.sample(rng), space.sample(rng)
    assert space.mutate(first, 0.0, rng) == first == space.cross(first, first, rng)
    assert len({space.mutate(first, 0.5, rng) for _ in range(10)}) > 3
    assert len({space.cross(first, second, rng) for _ in range(10)}) > 3


@pytest.mark.parametrize("space", ALL.values(), ids=ALL)
def test_specifications_of_other_spaces(space: Space) -> None:
    for other in ALL.values():
        if other != space:
            assert not space.contains(other.largest)
            with pytest.raises(ValueError, match=r"the specification is (none|not)"):
                space.genes(other.largest)


def test_what_is_almost_in_a_space() -> None:
    space, spec = ResNet50Space(), ResNet50Space().smallest
    first, *rest = spec.stages
    for changed in (
        replace(first, mids=(32,)),
        replace(first, mids=(32,) * 5),
        replace(first, mids=(32, 48)),
        replace(first, out=176),
    ):
        assert not space.contains(replace(spec, stages=(changed, *rest)))
    assert not space.contains(replace(spec, stem_stride=2)) and not space.contains(replace(spec, stem=(24,)))
    assert not space.contains(replace(spec, stages=spec.stages[:3]))
    assert space.contains(replace(spec, stages=(replace(first, mids=(32, 40, 56)), *rest)))
    mobile = MobileNetV3Space().smallest
    assert not MobileNetV3Space().contains(replace(mobile, stages=mobile.stages[:-1]))
    assert not MobileNetV3Space().contains(replace(mobile, stages=(*mobile.stages[:-1], mobile.stages[-1][:1])))
    small = rnas_cl_space("s3").smallest
    first_block = replace(small.stages[0][0], residual=False)
    assert not rnas_cl_space("s3").contains(replace(small, stages=((first_block, *small.stages[0][1:]), *small.stages[1:])))


def test_published_networks_are_in_their_spaces() -> None:
    for name in ("s3", "s5", "s7", "m"):
        assert rnas_cl_space(name, "hswish").contains(ZOO[f"rnas-cl-{name}"]())
        assert rnas_cl_space(name).contains(ZOO[f"rnas-cl-{name}-relu"]())
    assert rnas_cl_space("m").largest == ZOO["rnas-cl-m-relu"]()
    for name, space in (
        ("resnet50", ResNet50Space()),
        ("mbv3", MobileNetV3Space("published")),
    ):
        assert space.largest == ZOO[f"proard-{name}-max"]() and space.smallest == ZOO[f"proard-{name}-min"]()
    assert MobileNetV3Space().largest == ZOO["proard-mbv3-max-relu"]()
    with pytest.raises(ValueError, match=r"no search space 's9'; known: s3, s5, s7, m, l, is, im, i, il"):
        rnas_cl_space("s9")


def test_rnas_cl_by_hand() -> None:
    """Inside, blocks are six times their input; residuals are where the widest input and output agree."""
    space = rnas_cl_space("s3")
    spec = space.specification((1, 0, 0, 3, 0, 0, 0, 0, 3))
    blocks = [block for stage in spec.stages for block in stage]
    assert [block.out for block in blocks] == [12, 16, 16, 20, 32, 32, 64, 64, 52]
    assert [block.mid for block in blocks] == [96, 72, 96, 96, 120, 192, 192, 384, 384]
    assert [block.stride for block in blocks] == [1, 1, 1, 2, 1, 1, 2, 1, 1]
    assert [block.residual for block in blocks] == [True, True, True, False, True, True, False, True, True]
    assert space.size == 2**3 * 4**6 and len(space.encode(space.genes(spec))) == 3 * 2 + 6 * 4
    assert spec.bias and spec.stem_stride == 2 and spec.stem == 16


def test_widths_of_resnet50() -> None:
    """The numbers of ProARD's code."""
    space = ResNet50Space()
    assert space.widths == (
        (24, 24, 32),
        (40, 48, 64),
        (168, 208, 256),
        (336, 408, 512),
        (664, 816, 1024),
        (1328, 1640, 2048),
    )
    largest = [space.mids(out) for out in (256, 512, 1024, 2048)]
    assert largest == [(48, 64, 88), (104, 128, 176), (208, 256, 360), (408, 512, 720)]
    assert [space.mids(out) for out in (168, 336, 664, 1328)] == [(32, 40, 56), (64, 88, 120), (136, 168, 232), (264, 336, 464)]
    assert [space.mids(out) for out in (208, 408, 816, 1640)] == [
        (40, 56, 72),
        (80, 104, 144),
        (160, 208, 288),
        (328, 408, 576),
    ]


def test_how_many_networks() -> None:
    """ProARD's 2 x 3^6 x 117^3 x 1053 tells 24 channels of the stem from 24."""
    assert 3 * ResNet50Space().networks == 2 * (2 * 3**6 * 117**3 * 1053)
    assert MobileNetV3Space().networks == 7371**5
    assert InvertedResidualSpace((2, 1), ((4, 3), (8, 7, 6))).size == 12


def test_the_count_of_networks_beside_a_list_of_them() -> None:
    """Of a narrow ResNet-50 whose widths often coincide, the first stage and the stem's widths listed one by one."""
    space = ResNet50Space(width=8)
    base = space.genes(space.smallest)
    listed = set()
    for depth, first, last, out in product(range(3), repeat=4):
        for expansions in product(range(3), repeat=4):
            genes = (0, depth, *base[2:5], *expansions, *base[9:23], first, last, out, *base[26:])
            listed.add(space.canonical(genes))
    rest = 2
    for widths, least in zip(space.widths[3:], space.depths[1:], strict=True):
        rest *= sum(len(set(space.mids(c))) ** (least + more) for c in set(widths) for more in range(3))
    assert space.networks == len(listed) * rest


@pytest.mark.parametrize(("space", "length"), [(ResNet50Space(), 75), (MobileNetV3Space(), 121)])
def test_what_a_predictor_of_proard_sees(space: ProgressiveSpace, length: int) -> None:
    """The resolution, and one for each gene that is used but the depths."""
    largest, smallest = (space.encode(space.genes(spec)) for spec in (space.largest, space.smallest))
    assert len(largest) == len(smallest) == length and largest[0] == smallest[0] == 1
    assert set(largest) | set(smallest) == {0.0, 1.0}
    blocks = {75: (18, 10), 121: (20, 10)}[length]
    others, each = (7, 1) if length == 75 else (0, 2)
    assert [sum(vector) - 1 for vector in (largest, smallest)] == [others + each * n for n in blocks]


def test_the_order_of_the_inputs() -> None:
    """Stem, widths, expansions; kernels, expansions."""
    vector = ResNet50Space().encode((1, 0, 0, 0, 2, *(1,) * 18, 0, 1, 2, 0, 1, 2))
    assert vector[1:3] == [0, 1] and vector[3:21] == [1, 0, 0, 0, 1, 0, 0, 0, 1] * 2
    assert vector[21:33] == [0, 1, 0, 0, 1, 0] + [0] * 6 and vector[63:75] == [0, 1, 0] * 4
    vector = MobileNetV3Space().encode((*(2,) * 20, *(1,) * 20, 0, 1, 2, 2, 2))
    assert vector[1:13] == [0, 0, 1] * 2 + [0] * 6 and vector[13:25] == [0, 0, 1] * 3 + [0] * 3
    assert vector[61:73] == [0, 1, 0] * 2 + [0] * 6


@pytest.mark.parametrize("space", PROGRESSIVE.values(), ids=PROGRESSIVE)
def test_phases(space: ProgressiveSpace) -> None:
    """Each allows what the one before does, and more; the first has all blocks, the last all networks."""
    phases = [[set(allowed) for allowed in space.phase(name)] for name in PHASES]
    for before, after in pairwise(phases):
        assert before != after and all(one <= other for one, other in zip(before, after, strict=True))
    assert [len(allowed) for allowed in phases[-1]] == list(space.choices)
    rng = Random(0)
    for _ in range(10):
        spec = space.specification(space.sample(rng, space.phase("largest-depth")))
        assert [len(stage) for stage in stages(spec)] == [len(stage) for stage in stages(space.largest)]


def stages(spec: object) -> list[tuple]:
    return [getattr(stage, "mids", stage) for stage in spec.stages]


def test_phases_by_hand() -> None:
    """ProARD's lists: depths, then expansions; the stem's residual convolution is one of the depths."""
    rng, space = Random(0), ResNet50Space()
    specs = {name: [space.specification(space.sample(rng, space.phase(name))) for _ in range(20)] for name in PHASES}
    depths = {name: {len(spec.stages[0].mids) for spec in found} for name, found in specs.items()}
    assert depths == {"largest-depth": {4}, "depth-1": {3, 4}} | {name: {2, 3, 4} for name in list(PHASES)[2:]}
    assert {name: {spec.stem_residual for spec in found} for name, found in specs.items()} == {"largest-depth": {True}} | {
        name: {True, False} for name in list(PHASES)[1:]
    }
    expansions = {
        name: {space.mids(stage.out).index(mid) for spec in found for stage in spec.stages for mid in stage.mids}
        for name, found in specs.items()
    }
    assert expansions == {name: {2} for name in list(PHASES)[:3]} | {"expansion-1": {1, 2}, "expansion-2": {0, 1, 2}}
